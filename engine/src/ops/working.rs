//! Affine operators in whichever working type a sweep runs in.

use super::Affine;
use crate::kernels::Kernel;

/// A working type that affine operators can be applied in.
pub trait Working: Kernel {
    /// `y += W x` (or `|W| x`) for every row.
    fn apply(op: &dyn Affine, operand: usize, x: &[Self], y: &mut [Self], rows: usize, absolute: bool);
    /// `x += W^T y` for every row.
    fn transpose(op: &dyn Affine, operand: usize, y: &[Self], x: &mut [Self], rows: usize);
}

impl Working for f32 {
    fn apply(op: &dyn Affine, operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        op.apply_f32(operand, x, y, rows, absolute)
    }
    fn transpose(op: &dyn Affine, operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        op.transpose_f32(operand, y, x, rows)
    }
}

impl Working for f64 {
    fn apply(op: &dyn Affine, operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        op.apply_f64(operand, x, y, rows, absolute)
    }
    fn transpose(op: &dyn Affine, operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        op.transpose_f64(operand, y, x, rows)
    }
}
