//! Broadcasting: which element of an operand stands at each element of the output.

/// A map from output elements to operand elements.
#[derive(Clone, Debug)]
pub struct Spread {
    inputs: usize,
    outputs: usize,
    /// `None`: element `o` stands at output `o`.
    index: Option<Vec<u32>>,
    fan_out: usize,
}

impl Spread {
    /// Every element at its own place.
    pub fn same(len: usize) -> Spread {
        Spread { inputs: len, outputs: len, index: None, fan_out: 1 }
    }

    /// Operand element `index[o]` at output `o`, of `inputs` operand elements.
    pub fn new(inputs: usize, index: Vec<u32>) -> Result<Spread, String> {
        let mut uses = vec![0usize; inputs];
        for &i in &index {
            *uses.get_mut(i as usize).ok_or_else(|| format!("element {i} of {inputs}"))? += 1;
        }
        let fan_out = uses.into_iter().max().unwrap_or(0);
        Ok(Spread { inputs, outputs: index.len(), index: Some(index), fan_out })
    }

    /// Number of operand elements.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output elements.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Most places that one operand element stands at.
    pub fn fan_out(&self) -> usize {
        self.fan_out
    }

    /// True if every element stands at its own place.
    pub fn is_same(&self) -> bool {
        self.index.is_none()
    }

    /// The operand element at output `o`.
    #[inline]
    pub fn at(&self, o: usize) -> usize {
        match &self.index {
            None => o,
            Some(index) => index[o] as usize,
        }
    }
}
