//! Products of matrices whose rows are zero but for a band: those of networks that are trees of small blocks.
//!
//! The bands of both operands are found from their entries, so the product is the same as the whole one: what is left out are sums of zeros.

use std::ops::Range;

use super::{Kernel, LANES, View};

/// Rows whose bands are joined: two blocks of the widest kernel.
const PANEL: usize = 12;

/// The columns outside of which row `row` is zero; empty for a row of zeros.
pub fn band<F: Kernel>(row: &[F]) -> Range<usize> {
    let nonzero = |x: &F| *x != F::ZERO;
    match row.iter().position(nonzero) {
        Some(start) => start..row.iter().rposition(nonzero).map_or(start, |end| end + 1),
        None => 0..0,
    }
}

/// The smallest range that holds both; an empty one holds nothing.
fn hull(a: Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a,
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// As [`Kernel::product`] without its options, where `bands` holds the [`band`] of every row of `b`.
#[allow(clippy::too_many_arguments)] // the shape of a matrix product
pub fn product<F: Kernel>(
    m: usize,
    depth: usize,
    columns: usize,
    a: View<F>,
    b: View<F>,
    bands: &[Range<usize>],
    c: &mut [F],
    c_stride: usize,
) {
    for first in (0..m).step_by(PANEL) {
        let rows = PANEL.min(m - first);
        let row = |i: usize| &a.data[(first + i) * a.stride..][..depth];
        let terms = (0..rows).fold(0..0, |all, i| hull(all, &band(row(i))));
        let wide = bands[terms.clone()].iter().fold(0..0, hull);
        let (start, end) = (wide.start / LANES * LANES, wide.end.next_multiple_of(LANES).min(columns));
        let target = &mut c[first * c_stride..];
        for i in 0..rows {
            target[i * c_stride..][..start].fill(F::ZERO);
            target[i * c_stride..][end..columns].fill(F::ZERO);
        }
        if terms.is_empty() || start == end {
            continue;
        }
        let a = View { data: &a.data[first * a.stride + terms.start..], stride: a.stride };
        let b = View { data: &b.data[terms.start * b.stride + start..], stride: b.stride };
        F::product(rows, terms.len(), end - start, a, b, &mut target[start..], c_stride, false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_bands_is_the_whole_product() {
        fn run<F: Kernel>() {
            for (m, depth, columns, block) in
                [(1, 1, 16, 1), (25, 40, 64, 4), (13, 33, 80, 2), (30, 64, 32, 9), (3, 7, 16, 40), (0, 4, 16, 1), (5, 0, 16, 1)]
            {
                // Small integers: exact in any order. Rows 7 and 8 are zero.
                let number = |i: usize, j: usize, width: usize, rows: usize| match (i * width / rows.max(1)).abs_diff(j) <= block
                    && i != 7
                    && i != 8
                {
                    true => F::from_f64(((i * 31 + j * 7919) % 23) as f64 - 11.0),
                    false => F::ZERO,
                };
                let a: Vec<F> = (0..m * depth).map(|k| number(k / depth, k % depth, depth, m)).collect();
                let b: Vec<F> = (0..depth * columns).map(|k| number(k / columns, k % columns, columns, depth)).collect();
                let bands: Vec<_> = (0..depth).map(|k| band(&b[k * columns..][..columns])).collect();
                let (mut whole, mut banded) = (vec![F::ONE; m * columns], vec![F::ONE; m * columns]);
                let (a, b) = (View { data: &a[..], stride: depth }, View { data: &b[..], stride: columns });
                F::product(m, depth, columns, a, b, &mut whole, columns, false, false);
                product(m, depth, columns, a, b, &bands, &mut banded, columns);
                assert!(whole == banded, "{m} x {depth} x {columns}, blocks of {block}");
            }
        }
        run::<f32>();
        run::<f64>();
    }
}
