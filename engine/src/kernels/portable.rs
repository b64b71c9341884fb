//! The meaning of the kernels in plain loops; also the fallback for processors without vector units known to us.

use super::{Real, View};

/// See [`super::Kernel::product`].
#[allow(clippy::too_many_arguments)]
pub fn product<F: Real>(
    m: usize,
    depth: usize,
    columns: usize,
    a: View<F>,
    b: View<F>,
    c: &mut [F],
    c_stride: usize,
    accumulate: bool,
    absolute: bool,
) {
    let mut sums = vec![F::ZERO; columns];
    for i in 0..m {
        sums.fill(F::ZERO);
        for k in 0..depth {
            let x = a.data[i * a.stride + k];
            let weights = &b.data[k * b.stride..k * b.stride + columns];
            for (y, &w) in sums.iter_mut().zip(weights) {
                *y += x * if absolute { w.abs() } else { w };
            }
        }
        let row = &mut c[i * c_stride..i * c_stride + columns];
        for (y, &sum) in row.iter_mut().zip(&sums) {
            *y = if accumulate { *y + sum } else { sum };
        }
    }
}
