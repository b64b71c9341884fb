//! Affine operators in whichever working type a sweep runs in.

use super::Affine;
use crate::kernels::Kernel;
use crate::kernels::lanes::Lanes;

/// A working type that affine operators can be applied in.
pub trait Working: Kernel {
    /// `y += W x` (or `|W| x`) for every row.
    fn apply(op: &dyn Affine, operand: usize, x: &[Self], y: &mut [Self], rows: usize, absolute: bool);
    /// `x += W^T y` for every row.
    fn transpose(op: &dyn Affine, operand: usize, y: &[Self], x: &mut [Self], rows: usize);
    /// `x += W^T y` for a block of rows stored element by element: see [`Affine::transpose_lanes_f32`].
    fn transpose_lanes(op: &dyn Affine, operand: usize, y: &Lanes<Self>, x: &mut Lanes<Self>, wanted: &[bool]) -> f64;
}

impl Working for f32 {
    fn apply(op: &dyn Affine, operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        op.apply_f32(operand, x, y, rows, absolute)
    }
    fn transpose(op: &dyn Affine, operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        op.transpose_f32(operand, y, x, rows)
    }
    fn transpose_lanes(op: &dyn Affine, operand: usize, y: &Lanes<f32>, x: &mut Lanes<f32>, wanted: &[bool]) -> f64 {
        op.transpose_lanes_f32(operand, y, x, wanted)
    }
}

impl Working for f64 {
    fn apply(op: &dyn Affine, operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        op.apply_f64(operand, x, y, rows, absolute)
    }
    fn transpose(op: &dyn Affine, operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        op.transpose_f64(operand, y, x, rows)
    }
    fn transpose_lanes(op: &dyn Affine, operand: usize, y: &Lanes<f64>, x: &mut Lanes<f64>, wanted: &[bool]) -> f64 {
        op.transpose_lanes_f64(operand, y, x, wanted)
    }
}
