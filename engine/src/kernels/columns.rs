//! Rows turned into columns of [`LANES`] rows each, so that sparse products need no gathering within vectors.

use super::vectors::multiversion;
use super::{LANES, Real};

multiversion! {
    /// The columns `places` of `from`, one after the other.
    pub fn pick<F>(from: &[F], places: &[u32], to: &mut [F]) {
        let from = from.as_chunks::<LANES>().0;
        for (to, &p) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(places) {
            *to = from[p as usize];
        }
    }
}

multiversion! {
    /// Adds columns, one after the other, to the columns `places` of `to`.
    pub fn put<F>(from: &[F], places: &[u32], to: &mut [F]) {
        let to = to.as_chunks_mut::<LANES>().0;
        for (from, &p) in from.as_chunks::<LANES>().0.iter().zip(places) {
            let to = &mut to[p as usize];
            for v in 0..LANES {
                to[v] += from[v];
            }
        }
    }
}

multiversion! {
    /// At most [`LANES`] rows of `width` as columns of [`LANES`] rows; the columns of missing rows are zero.
    pub fn to_columns<F>(rows: &[F], width: usize, columns: &mut [F]) {
        let count = rows.len() / width;
        for (k, columns) in columns.as_chunks_mut::<LANES>().0.chunks_mut(LANES).enumerate() {
            let mut tile = [[F::ZERO; LANES]; LANES];
            for r in 0..count {
                let row = &rows[r * width + k * LANES..][..columns.len()];
                tile[r][..row.len()].copy_from_slice(row);
            }
            for (i, column) in columns.iter_mut().enumerate() {
                for r in 0..LANES {
                    column[r] = tile[r][i];
                }
            }
        }
    }
}

multiversion! {
    /// The inverse of [`to_columns`], added to the old rows if `add`.
    pub fn to_rows<F>(columns: &[F], rows: &mut [F], width: usize, add: bool) {
        let count = rows.len() / width;
        for (k, columns) in columns.as_chunks::<LANES>().0.chunks(LANES).enumerate() {
            let mut tile = [[F::ZERO; LANES]; LANES];
            for (i, column) in columns.iter().enumerate() {
                for r in 0..LANES {
                    tile[r][i] = column[r];
                }
            }
            for r in 0..count {
                let row = &mut rows[r * width + k * LANES..][..columns.len()];
                if add {
                    row.iter_mut().zip(&tile[r]).for_each(|(x, &t)| *x += t);
                } else {
                    row.copy_from_slice(&tile[r][..columns.len()]);
                }
            }
        }
    }
}
