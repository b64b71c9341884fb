//! Matrix products chosen at run time for the processor: AVX-512, AVX2 with FMA, or portable.
//!
//! Contract of every twin: each element of the result is *some* order of summation of its products, with or without
//! fused multiply-add, so the error bound `gamma_n` of [`crate::numerics::rounding`] covers all of them. No kernel
//! changes the rounding mode or flushes subnormals.

mod aligned;
pub mod banded;
pub mod columns;
pub mod hinges;
pub mod lanes;
mod packed;
mod portable;
pub mod rows;
pub mod vectors;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
mod x86_64_lanes;

pub use aligned::Aligned;
pub use packed::{Packed, block_roundings};

use crate::numerics::Real;

/// Numbers per vector that rows are padded to (one AVX-512 register of `f32`, two of `f64`).
pub const LANES: usize = 16;

/// `n` rounded up to whole vectors.
pub fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// One operand of a product: `rows x cols` with `stride` elements from row to row.
#[derive(Clone, Copy)]
pub struct View<'a, F> {
    /// Elements, row-major.
    pub data: &'a [F],
    /// Distance between rows.
    pub stride: usize,
}

/// The working types with their kernels.
pub trait Kernel: Real {
    /// `c[i][j] = sum_k a[i][k] * b[k][j]` (plus the old `c[i][j]` if `accumulate`), for `m` rows, `depth` terms and
    /// `columns` columns, a multiple of [`LANES`]; with `|b|` in place of `b` if `absolute`.
    #[allow(clippy::too_many_arguments)] // the shape of a matrix product
    fn product(
        m: usize,
        depth: usize,
        columns: usize,
        a: View<Self>,
        b: View<Self>,
        c: &mut [Self],
        c_stride: usize,
        accumulate: bool,
        absolute: bool,
    );

    /// The product that `picked` describes, with the old result added if `accumulate`: at most [`lanes::picked_roundings`] per term.
    fn picked(picked: lanes::Picked<Self>, result: &mut [Self], accumulate: bool);
}

/// Checks that the slices hold the product; the kernels below index without checks on the strength of this.
#[allow(clippy::too_many_arguments)]
fn check<F>(m: usize, depth: usize, columns: usize, a: View<F>, b: View<F>, c: &[F], c_stride: usize) {
    let reach = |rows: usize, cols: usize, stride: usize| if rows == 0 || cols == 0 { 0 } else { (rows - 1) * stride + cols };
    assert!(columns.is_multiple_of(LANES), "columns must be padded");
    assert!(a.data.len() >= reach(m, depth, a.stride), "left operand too short");
    assert!(b.data.len() >= reach(depth, columns, b.stride), "right operand too short");
    assert!(c.len() >= reach(m, columns, c_stride), "result too short");
}

macro_rules! kernel {
    ($t:ident) => {
        impl Kernel for $t {
            fn product(
                m: usize,
                depth: usize,
                columns: usize,
                a: View<$t>,
                b: View<$t>,
                c: &mut [$t],
                c_stride: usize,
                accumulate: bool,
                absolute: bool,
            ) {
                check(m, depth, columns, a, b, c, c_stride);
                #[cfg(target_arch = "x86_64")]
                {
                    if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512dq") {
                        // SAFETY: the processor has AVX-512F and DQ; `check` has verified all ranges.
                        return unsafe { x86_64::avx512::$t(m, depth, columns, a, b, c, c_stride, accumulate, absolute) };
                    }
                    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                        // SAFETY: the processor has AVX2 and FMA; `check` has verified all ranges.
                        return unsafe { x86_64::avx2::$t(m, depth, columns, a, b, c, c_stride, accumulate, absolute) };
                    }
                }
                portable::product(m, depth, columns, a, b, c, c_stride, accumulate, absolute);
            }

            fn picked(picked: lanes::Picked<$t>, result: &mut [$t], accumulate: bool) {
                if picked.rows.is_empty() || picked.terms.is_empty() {
                    let targets = picked.rows.iter().filter(|_| !accumulate);
                    return targets.for_each(|r| result[r.1 as usize..][..picked.lanes].fill(0.0));
                }
                picked.check(result);
                #[cfg(target_arch = "x86_64")]
                {
                    if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512dq") {
                        // SAFETY: the processor has AVX-512F and DQ; all places have been checked.
                        return unsafe { x86_64_lanes::avx512::$t(picked, result, accumulate) };
                    }
                    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                        // SAFETY: the processor has AVX2 and FMA; all places have been checked.
                        return unsafe { x86_64_lanes::avx2::$t(picked, result, accumulate) };
                    }
                }
                picked.portable(result, accumulate);
            }
        }
    };
}
kernel!(f32);
kernel!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: every order of summation is exact, so all twins must agree bit for bit.
    #[test]
    fn twins_agree_exactly_on_integers() {
        fn run<F: Kernel>() {
            for (m, depth, columns) in [(1, 1, 16), (7, 5, 16), (6, 50, 64), (13, 33, 80), (25, 28, 32), (3, 0, 16), (0, 4, 16)] {
                let number = |i: usize| F::from_f64(((i * 7919) % 23) as f64 - 11.0);
                let (sa, sb, sc) = (depth + 3, columns + 16, columns + 5);
                let a: Vec<F> = (0..m * sa + 9).map(number).collect();
                let b: Vec<F> = (0..depth * sb + 16).map(|i| number(i + 5)).collect();
                for (accumulate, absolute) in [(false, false), (true, false), (false, true)] {
                    let mut c: Vec<F> = (0..m * sc + 1).map(|i| number(i + 3)).collect();
                    let mut expected = c.clone();
                    let (av, bv) = (View { data: &a, stride: sa }, View { data: &b, stride: sb });
                    F::product(m, depth, columns, av, bv, &mut c, sc, accumulate, absolute);
                    portable::product(m, depth, columns, av, bv, &mut expected, sc, accumulate, absolute);
                    assert_eq!(c, expected, "{m} x {depth} x {columns}");
                    let mut by_hand = if accumulate { number(3) } else { F::ZERO };
                    for k in 0..depth {
                        by_hand += a[k] * if absolute { b[k * sb].abs() } else { b[k * sb] };
                    }
                    assert!(m == 0 || c[0] == by_hand);
                }
            }
        }
        run::<f32>();
        run::<f64>();
    }
}
