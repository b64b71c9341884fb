//! The loops that take the time, in safe code compiled for each vector unit and picked at run time.
//!
//! Contract: every sum is *some* order of summation of its products, with or without fused multiply-add; the bounds
//! `gamma_n` of [`crate::rounding`] cover all of them.

mod hinges;
mod pass;
mod product;

use std::sync::OnceLock;

pub use hinges::{Concretise, Hinges};
pub use pass::{Lines, Pass, PassFreely};
pub use product::{AbsoluteProducts, Product};

/// Numbers per vector: rows are padded to multiples of it.
pub const LANES: usize = 8;

/// `n` rounded up to whole vectors.
pub fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// The elements that are not zero, with their places; zeros are passed over by whole vectors.
pub fn nonzero(row: &[f64]) -> impl Iterator<Item = (usize, f64)> {
    // All bits but the sign's.
    let any = |x: &[f64]| x.iter().fold(0, |bits, x| bits | x.to_bits() << 1) != 0;
    let found = move |(k, x): (usize, &[f64])| if any(x) { k * LANES..k * LANES + x.len() } else { 0..0 };
    row.chunks(LANES).enumerate().flat_map(found).map(|i| (i, row[i])).filter(|x| x.1 != 0.0)
}

/// A loop over slices; `FUSED` says that fused multiply-add is a single instruction.
pub trait Kernel {
    /// Does the work.
    fn run<const FUSED: bool>(self);
}

/// Runs a kernel with the widest vectors of this processor.
pub fn run<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn wide<K: Kernel>(kernel: K) {
            kernel.run::<true>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn medium<K: Kernel>(kernel: K) {
            kernel.run::<true>();
        }
        let chosen: unsafe fn(K) = match level() {
            2 => wide::<K>,
            1 => medium::<K>,
            _ => plain::<K>,
        };
        // SAFETY: all three are safe functions; `level` has found the features that the chosen one is compiled for.
        #[allow(unsafe_code)]
        unsafe {
            chosen(kernel)
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    plain(kernel);
}

fn plain<K: Kernel>(kernel: K) {
    kernel.run::<false>();
}

/// 2: AVX-512, 1: AVX2 with FMA, 0: anything else.
#[cfg(target_arch = "x86_64")]
fn level() -> u8 {
    static LEVEL: OnceLock<u8> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        use std::arch::is_x86_feature_detected as has;
        let medium = has!("avx2") && has!("fma");
        let wide = medium && has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw");
        medium as u8 + wide as u8
    })
}

/// Partial sums, one per lane. Sums stay apart while rows are under way: adding lanes up inside a kernel makes the
/// compiler use narrow vectors for all of it.
pub type Vector = [f64; LANES];

/// `a b + c`.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: Vector, b: Vector, c: Vector) -> Vector {
    std::array::from_fn(|l| if FUSED { a[l].mul_add(b[l], c[l]) } else { a[l] * b[l] + c[l] })
}

#[inline(always)]
fn absolute(a: Vector) -> Vector {
    std::array::from_fn(|l| a[l].abs())
}

#[inline(always)]
fn negated(a: Vector) -> Vector {
    std::array::from_fn(|l| -a[l])
}

#[inline(always)]
fn sum(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l] + b[l])
}

#[inline(always)]
fn product(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l] * b[l])
}

/// The greater one; leaves out NaN.
#[inline(always)]
fn max(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l].max(b[l]))
}

/// The lesser one; leaves out NaN.
#[inline(always)]
fn min(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l].min(b[l]))
}

/// 1 where `x < 0`, else 0 (also for -0 less 0).
#[inline(always)]
fn is_negative(x: Vector) -> Vector {
    std::array::from_fn(|l| 0.5 - (0.5f64).copysign(x[l]))
}

/// The positive and the negative part; both 0 for NaN.
#[inline(always)]
fn parts(x: Vector) -> (Vector, Vector) {
    (std::array::from_fn(|l| x[l].max(0.0)), std::array::from_fn(|l| x[l].min(0.0)))
}

/// The whole vectors of a slice.
#[inline(always)]
fn vectors(x: &[f64]) -> &[Vector] {
    x.as_chunks().0
}

/// The sum of the lanes.
pub fn total(lanes: &Vector) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
