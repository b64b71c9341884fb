//! The network: affine maps in integers, each followed by a staircase.

use super::staircase::Requantise;

/// `h = s(W x + b)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Row-major `outputs x inputs`.
    pub weights: Vec<i32>,
    /// One per output, in units of the accumulator.
    pub bias: Vec<i64>,
    /// One staircase for all outputs, or one per output.
    pub requantise: Vec<Requantise>,
}

/// What is wrong with a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No layer at all, or no input.
    #[error("the network has no {0}")]
    Empty(&'static str),
    /// Numbers of elements do not fit.
    #[error("layer {layer}: {what}: expected {expected}, found {found}")]
    Shape {
        /// Counted from 0.
        layer: usize,
        /// Which numbers.
        what: &'static str,
        /// Their number as it should be.
        expected: usize,
        /// Their number as it is.
        found: usize,
    },
    /// A staircase is not one.
    #[error("layer {layer}, requantisation {index}: {problem}")]
    Staircase {
        /// Counted from 0.
        layer: usize,
        /// Which staircase of the layer.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A staircase has more steps than proofs can walk along.
    #[error("layer {layer}: its values have {steps} steps; at most {most} are supported there")]
    Steps {
        /// Counted from 0.
        layer: usize,
        /// `high - low`.
        steps: i64,
        /// The limit.
        most: i64,
    },
    /// An accumulator might leave the range in which arithmetic here is exact.
    #[error("layer {layer}, output {output}: the accumulator may reach {size} in size; at most 2^46 is supported")]
    Overflow {
        /// Counted from 0.
        layer: usize,
        /// Counted from 0.
        output: usize,
        /// Its largest possible size.
        size: i128,
    },
}

/// A chain of layers whose accumulators provably fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    input: (i64, i64),
    layers: Vec<Layer>,
}

impl Layer {
    /// The staircase of an output.
    pub fn staircase(&self, output: usize) -> &Requantise {
        &self.requantise[if self.requantise.len() == 1 { 0 } else { output }]
    }

    /// The weights of an output.
    pub fn row(&self, output: usize) -> &[i32] {
        &self.weights[output * self.inputs..][..self.inputs]
    }

    /// `W x + b`.
    pub fn accumulate(&self, x: &[i64]) -> Vec<i64> {
        let dot = |row: &[i32]| row.iter().zip(x).map(|(&w, &x)| i64::from(w) * x).sum::<i64>();
        (0..self.outputs).map(|o| self.bias[o] + dot(self.row(o))).collect()
    }

    /// `s(a)`, element by element.
    pub fn requantised(&self, accumulators: &[i64]) -> Vec<i64> {
        accumulators.iter().enumerate().map(|(o, &a)| self.staircase(o).apply(a)).collect()
    }
}

impl Network {
    /// Most steps of a hidden value: 16 bits.
    pub const MOST_HIDDEN_STEPS: i64 = (1 << 16) - 1;
    /// Most steps of an output.
    pub const MOST_OUTPUT_STEPS: i64 = (1 << 20) - 1;
    /// Accumulators stay below this in size: sums of products with multipliers then fit 128 bits with room.
    pub const MOST_ACCUMULATOR: i128 = 1 << 46;

    /// Checks that the layers fit together and that no accumulator can overflow for inputs in `[low, high]`.
    pub fn new(input: (i64, i64), layers: Vec<Layer>) -> Result<Network, NetworkError> {
        if layers.is_empty() {
            return Err(NetworkError::Empty("layers"));
        }
        if layers[0].inputs == 0 || input.0 > input.1 {
            return Err(NetworkError::Empty("inputs"));
        }
        let mut size = i128::from(input.0.unsigned_abs().max(input.1.unsigned_abs()));
        for (k, layer) in layers.iter().enumerate() {
            let fan_in = if k == 0 { layer.inputs } else { layers[k - 1].outputs };
            check_shape(k, layer, fan_in)?;
            check_staircases(k, layer, k + 1 < layers.len())?;
            size = check_accumulators(k, layer, size)?;
        }
        Ok(Network { input, layers })
    }

    /// The range of every input.
    pub fn input_range(&self) -> (i64, i64) {
        self.input
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.last().outputs
    }

    /// The layers in order; at least one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layer that gives the outputs.
    pub fn last(&self) -> &Layer {
        &self.layers[self.layers.len() - 1]
    }

    /// Sizes as in `784-64-32`.
    pub fn shape(&self) -> String {
        let sizes = std::iter::once(self.inputs()).chain(self.layers.iter().map(|l| l.outputs));
        sizes.map(|n| n.to_string()).collect::<Vec<_>>().join("-")
    }

    /// The outputs for an input of the right length and range.
    pub fn evaluate(&self, x: &[i64]) -> Vec<i64> {
        self.layers.iter().fold(x.to_vec(), |h, layer| layer.requantised(&layer.accumulate(&h)))
    }
}

fn check_shape(k: usize, layer: &Layer, fan_in: usize) -> Result<(), NetworkError> {
    let wrong = |what, expected, found| Err(NetworkError::Shape { layer: k, what, expected, found });
    let staircases = layer.requantise.len();
    match layer {
        Layer { inputs, .. } if *inputs != fan_in => wrong("inputs", fan_in, *inputs),
        Layer { outputs: 0, .. } => wrong("outputs", 1, 0),
        Layer { inputs, outputs, weights, .. } if inputs.checked_mul(*outputs) != Some(weights.len()) => {
            wrong("weights", inputs.saturating_mul(*outputs), weights.len())
        }
        Layer { outputs, bias, .. } if bias.len() != *outputs => wrong("biases", *outputs, bias.len()),
        Layer { outputs, .. } if staircases != 1 && staircases != *outputs => wrong("requantisations", *outputs, staircases),
        _ => Ok(()),
    }
}

fn check_staircases(k: usize, layer: &Layer, hidden: bool) -> Result<(), NetworkError> {
    for (index, staircase) in layer.requantise.iter().enumerate() {
        if let Some(problem) = staircase.problem() {
            return Err(NetworkError::Staircase { layer: k, index, problem });
        }
        let steps = staircase.high - staircase.low;
        let most = if hidden { Network::MOST_HIDDEN_STEPS } else { Network::MOST_OUTPUT_STEPS };
        if steps > most {
            return Err(NetworkError::Steps { layer: k, steps, most });
        }
    }
    Ok(())
}

/// The largest size of the layer's values, given that of its inputs.
fn check_accumulators(k: usize, layer: &Layer, size: i128) -> Result<i128, NetworkError> {
    for output in 0..layer.outputs {
        let weights: i128 = layer.row(output).iter().map(|&w| i128::from(w).abs()).sum();
        let reach = weights.saturating_mul(size).saturating_add(i128::from(layer.bias[output]).abs());
        if reach >= Network::MOST_ACCUMULATOR {
            return Err(NetworkError::Overflow { layer: k, output, size: reach });
        }
    }
    Ok(layer.requantise.iter().map(|s| i128::from(s.low).abs().max(i128::from(s.high).abs())).max().unwrap_or(0))
}
