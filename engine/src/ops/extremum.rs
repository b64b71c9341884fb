//! Elementwise Max or Min of several operands, with broadcasting.

use super::rules::broadcast::{broadcast_indices, broadcast_shape, element_count};
use super::rules::maximum::Groups;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The least.
    Min,
    /// The largest.
    Max,
}

/// Min or Max of any number of operands.
#[derive(Debug)]
pub struct Extremum {
    which: Extreme,
    shape: Vec<usize>,
    sizes: Vec<usize>,
    indices: Vec<Vec<usize>>,
}

impl Extremum {
    /// Operands of the given shapes.
    pub fn new(which: Extreme, shapes: &[&[usize]]) -> Result<Extremum, String> {
        if shapes.is_empty() {
            return Err(format!("{which:?} of no operands"));
        }
        let shape = broadcast_shape(shapes)?;
        element_count(&shape)?;
        let sizes = shapes.iter().map(|s| element_count(s)).collect::<Result<_, _>>()?;
        let indices = shapes.iter().map(|s| broadcast_indices(s, &shape)).collect();
        Ok(Extremum { which, shape, sizes, indices })
    }

    /// Shape of the output.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl Groups for Extremum {
    fn name(&self) -> &str {
        match self.which {
            Extreme::Min => "Min",
            Extreme::Max => "Max",
        }
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == self.sizes {
            Ok(self.outputs())
        } else {
            Err(format!("operands of {inputs:?} elements where {:?} are needed", self.sizes))
        }
    }

    fn outputs(&self) -> usize {
        self.indices[0].len()
    }

    fn members(&self, output: usize, visit: &mut dyn FnMut(usize, usize)) {
        for (operand, indices) in self.indices.iter().enumerate() {
            visit(operand, indices[output]);
        }
    }

    fn least(&self) -> bool {
        self.which == Extreme::Min
    }
}
