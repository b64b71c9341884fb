//! Convolutions of batches as matrix products: windows side by side become the columns of a matrix ("im2col").
//!
//! Only the windows that hold something but zeros are taken, so that a row that looks at few neurons costs little.

use std::ops::Range;

use super::Window;
use crate::kernels::{Aligned, Kernel, View, padded};

/// One group of a convolution: `windowed` channels of windows over `slid` channels.
pub struct Patches<'a, F> {
    /// The geometry.
    pub window: &'a Window,
    /// Channels that the window slides over.
    pub slid: usize,
    /// Channels of windows.
    pub windowed: usize,
    /// `windowed x (slid kernel)` for [`Patches::gather`], `(slid kernel) x windowed` for [`Patches::scatter`].
    pub weights: &'a [F],
}

/// A rectangle of windows of one row of the batch, in columns from `column` on.
struct Piece {
    row: usize,
    vertical: Range<usize>,
    horizontal: Range<usize>,
    column: usize,
}

impl Piece {
    fn len(&self) -> usize {
        self.vertical.len() * self.horizontal.len()
    }
}

/// Numbers that the two matrices of a block may hold together: they should stay in the second-level cache.
const BLOCK_NUMBERS: usize = 1 << 18;

impl<F: Kernel> Patches<'_, F> {
    fn kernel(&self) -> usize {
        self.slid * self.window.kernel[0] * self.window.kernel[1]
    }

    fn block_columns(&self) -> usize {
        (BLOCK_NUMBERS / (self.kernel() + self.windowed)).clamp(64, 1024)
    }

    /// `y += W x`: `x` and `y` are this group's channels of the first row; rows are `strides` apart.
    pub fn gather(&self, x: &[F], y: &mut [F], strides: (usize, usize), rows: usize) {
        let (kernel, mut columns, mut result) = (self.kernel(), Aligned::default(), Aligned::default());
        let whole = |_: usize| Some((0..self.window.output[0], 0..self.window.output[1]));
        self.each_block(rows, whole, |pieces, width| {
            columns.reset(kernel * width);
            for piece in pieces {
                self.each_run(piece, |k, at, place, count, step| {
                    let source = x[piece.row * strides.0 + place..].iter().step_by(step);
                    columns[k * width + at..][..count].iter_mut().zip(source).for_each(|(c, &x)| *c = x);
                });
            }
            result.grow(self.windowed * width);
            let (a, b) = (View { data: self.weights, stride: kernel }, View { data: &columns, stride: width });
            F::product(self.windowed, kernel, width, a, b, &mut result, width, false, false);
            for piece in pieces {
                self.each_line(piece, |m, at, place, count| {
                    let target = &mut y[piece.row * strides.1 + place..][..count];
                    target.iter_mut().zip(&result[m * width + at..]).for_each(|(y, &v)| *y += v);
                });
            }
        });
    }

    /// `x += W^T y`: `x` and `y` are this group's channels of the first row; rows are `strides` apart.
    pub fn scatter(&self, y: &[F], x: &mut [F], strides: (usize, usize), rows: usize) {
        let (kernel, mut columns, mut result) = (self.kernel(), Aligned::default(), Aligned::default());
        let crop = |row: usize| self.nonzero(&y[row * strides.1..][..self.windowed * self.window.output_len()]);
        self.each_block(rows, crop, |pieces, width| {
            columns.reset(self.windowed * width);
            for piece in pieces {
                self.each_line(piece, |m, at, place, count| {
                    columns[m * width + at..][..count].copy_from_slice(&y[piece.row * strides.1 + place..][..count]);
                });
            }
            result.grow(kernel * width);
            let (a, b) = (View { data: self.weights, stride: self.windowed }, View { data: &columns, stride: width });
            F::product(kernel, self.windowed, width, a, b, &mut result, width, false, false);
            for piece in pieces {
                self.each_run(piece, |k, at, place, count, step| {
                    let target = x[piece.row * strides.0 + place..].iter_mut().step_by(step);
                    result[k * width + at..][..count].iter().zip(target).for_each(|(&v, x)| *x += v);
                });
            }
        });
    }

    /// The smallest rectangle of windows outside which all of `y` is zero.
    fn nonzero(&self, y: &[F]) -> Option<(Range<usize>, Range<usize>)> {
        let [height, width] = self.window.output;
        let mut vertical = height..0;
        let mut used = vec![false; width];
        for (line, values) in y.chunks_exact(width).enumerate() {
            if values.iter().any(|&v| v != F::ZERO) {
                let at = line % height;
                vertical = vertical.start.min(at)..vertical.end.max(at + 1);
                used.iter_mut().zip(values).for_each(|(u, &v)| *u |= v != F::ZERO);
            }
        }
        let first = used.iter().position(|&u| u)?;
        let last = used.iter().rposition(|&u| u)?;
        Some((vertical, first..last + 1))
    }

    /// Cuts the windows of all rows into blocks of columns and calls `work(pieces, columns)`, padded to whole vectors.
    fn each_block(&self, rows: usize, crop: impl Fn(usize) -> Option<(Range<usize>, Range<usize>)>, mut work: impl FnMut(&[Piece], usize)) {
        let most = self.block_columns();
        let (mut pieces, mut used) = (Vec::new(), 0);
        for row in 0..rows {
            let Some((vertical, horizontal)) = crop(row) else { continue };
            let lines = (most / horizontal.len()).max(1);
            for first in vertical.clone().step_by(lines) {
                let piece = Piece { row, vertical: first..(first + lines).min(vertical.end), horizontal: horizontal.clone(), column: used };
                used += piece.len();
                pieces.push(piece);
                if used >= most {
                    work(&pieces, padded(used));
                    pieces.clear();
                    used = 0;
                }
            }
        }
        if used > 0 {
            work(&pieces, padded(used));
        }
    }

    /// Calls `visit(channel of windows, first column, place, count)` for every line of the piece.
    #[inline]
    fn each_line(&self, piece: &Piece, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let count = piece.horizontal.len();
        for m in 0..self.windowed {
            for (l, oy) in piece.vertical.clone().enumerate() {
                let place = m * self.window.output_len() + oy * self.window.output[1] + piece.horizontal.start;
                visit(m, piece.column + l * count, place, count);
            }
        }
    }

    /// Calls `visit(kernel element, first column, place, count, step)` for every run of neighbouring windows in which
    /// a kernel element meets the input: at `place` and then every `step` elements.
    #[inline]
    fn each_run(&self, piece: &Piece, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
        let w = self.window;
        let [kh, kw] = w.kernel;
        for kx in 0..kw {
            let meets = w.windows(1, kx);
            let across = meets.start.max(piece.horizontal.start)..meets.end.min(piece.horizontal.end);
            let Some(ix) = (!across.is_empty()).then(|| w.position(1, across.start, kx)).flatten() else { continue };
            for ky in 0..kh {
                for (l, oy) in piece.vertical.clone().enumerate() {
                    let Some(iy) = w.position(0, oy, ky) else { continue };
                    let column = piece.column + l * piece.horizontal.len() + across.start - piece.horizontal.start;
                    for c in 0..self.slid {
                        let place = c * w.input_len() + iy * w.input[1] + ix;
                        visit((c * kh + ky) * kw + kx, column, place, across.len(), w.strides[1]);
                    }
                }
            }
        }
    }
}
