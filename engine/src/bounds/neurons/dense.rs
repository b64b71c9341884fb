//! A dense matrix of live neurons by live neurons, packed for both directions.

use super::compact::Room;
use super::program::Map;
use crate::kernels::{Kernel, Packed};

/// `W`, padded to whole vectors both ways.
#[derive(Clone, Debug)]
pub struct Dense<F> {
    back: Packed<F>,
    forth: Packed<F>,
}

impl<F: Kernel> Dense<F> {
    /// The matrix of `outputs` rows and `inputs` columns (both already padded) whose elements are `at(output, input)`.
    pub fn new(outputs: usize, inputs: usize, at: impl Fn(usize, usize) -> F) -> Dense<F> {
        Dense { back: Packed::new(outputs, inputs, &at), forth: Packed::new(inputs, outputs, |i, o| at(o, i)) }
    }
}

impl<F: Kernel> Map<F> for Dense<F> {
    fn back(&self, _operand: usize, y: &[F], x: &mut [F], rows: usize, accumulate: bool, _room: &mut Room<F>) {
        self.back.multiply_blocked(y, x, rows, accumulate)
    }

    fn forth(&self, _operand: usize, x: &[F], y: &mut [F], rows: usize, accumulate: bool, _room: &mut Room<F>) {
        self.forth.multiply_blocked(x, y, rows, accumulate)
    }
}
