//! The largest or least along axes: ReduceMax, ReduceMin.

use super::Extreme;
use super::rules::broadcast::element_count;
use super::rules::maximum::Groups;

/// ReduceMax or ReduceMin.
#[derive(Debug)]
pub struct ReduceExtremum {
    which: Extreme,
    size: usize,
    /// Index of the first member of every output.
    first: Vec<usize>,
    /// Distances of the other members from the first, 0 included.
    along: Vec<usize>,
}

/// Offsets of all index tuples over the given `(dimension, stride)` axes, in C order.
fn offsets(axes: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    axes.fold(vec![0], |offsets, (d, stride)| offsets.iter().flat_map(|&o| (0..d).map(move |i| o + i * stride)).collect())
}

impl ReduceExtremum {
    /// Reduces the axes for which `reduced` is true; refuses to reduce nothing to a value.
    pub fn new(which: Extreme, shape: &[usize], reduced: &[bool]) -> Result<ReduceExtremum, String> {
        let size = element_count(shape)?;
        if shape.len() != reduced.len() || size == 0 {
            return Err(format!("reduces axes {reduced:?} of shape {shape:?}"));
        }
        let axes: Vec<(usize, usize)> = (0..shape.len()).map(|a| (shape[a], shape[a + 1..].iter().product())).collect();
        let chosen = |which: bool| offsets(axes.iter().zip(reduced).filter(move |(_, r)| **r == which).map(|(axis, _)| *axis));
        Ok(ReduceExtremum { which, size, first: chosen(false), along: chosen(true) })
    }
}

impl Groups for ReduceExtremum {
    fn name(&self) -> &str {
        match self.which {
            Extreme::Min => "ReduceMin",
            Extreme::Max => "ReduceMax",
        }
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == [self.size] {
            Ok(self.first.len())
        } else {
            Err(format!("operands of {inputs:?} elements where {} are needed", self.size))
        }
    }

    fn outputs(&self) -> usize {
        self.first.len()
    }

    fn members(&self, output: usize, visit: &mut dyn FnMut(usize, usize)) {
        for along in &self.along {
            visit(0, self.first[output] + along);
        }
    }

    fn least(&self) -> bool {
        self.which == Extreme::Min
    }
}
