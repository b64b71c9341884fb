//! Fixed-point networks from floating-point weights, as in Henzinger, Lechner and Zikelic (AAAI 2021).
//!
//! With `Q` bits: weights have 1 integer bit (`Q - 1` fractional ones), biases and activations 2 (`Q - 2`), inputs are whole numbers with
//! a given number of fractional bits (bytes with 8). Hidden values are unsigned (`0 ..= 2^Q - 1`), outputs signed; requantisation rounds a half up and saturates.

use super::network::{Layer, Network, NetworkError};
use super::staircase::Requantise;

/// A dense layer in floating point.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseFloats {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Row-major `outputs x inputs`.
    pub weights: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// The format of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPoint {
    bits: u32,
    /// Fractional bits of an input.
    input_fraction: u32,
    /// Greatest input.
    input_high: i64,
}

impl FixedPoint {
    /// The published benchmark's.
    pub const BENCHMARK: FixedPoint = FixedPoint { bits: 6, input_fraction: 8, input_high: 255 };

    /// With this many bits, 3 to 8, and bytes as inputs.
    pub fn bytes(bits: u32) -> Option<FixedPoint> {
        (3..=8).contains(&bits).then_some(FixedPoint { bits, ..FixedPoint::BENCHMARK })
    }

    /// With this many bits, 3 to 8, and sixteenths from 0 to 16 as inputs.
    pub fn sixteenths(bits: u32) -> Option<FixedPoint> {
        (3..=8).contains(&bits).then_some(FixedPoint { bits, input_fraction: 4, input_high: 16 })
    }

    /// The real value of an input.
    pub fn input(self, x: i64) -> f32 {
        x as f32 / (1 << self.input_fraction) as f32
    }

    /// The integer network of a chain of dense layers. Numbers outside the format saturate; they must not be NaN.
    pub fn network(self, layers: &[DenseFloats]) -> Result<Network, NetworkError> {
        let fraction = self.bits - 2;
        let mut inputs_fraction = self.input_fraction;
        let mut made = Vec::new();
        for (k, layer) in layers.iter().enumerate() {
            // The accumulator has the fractional bits of value and weight together.
            let accumulator = inputs_fraction + self.bits - 1;
            let bias = layer.bias.iter().map(|&b| self.nearest(b, fraction) << (accumulator - fraction)).collect();
            let half = 1 << (self.bits - 1);
            let (low, high) = if k + 1 == layers.len() { (-half, half - 1) } else { (0, 2 * half - 1) };
            made.push(Layer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weights: layer.weights.iter().map(|&w| self.nearest(w, self.bits - 1) as i32).collect(),
                bias,
                requantise: vec![Requantise::shift(accumulator - fraction, low, high)],
            });
            inputs_fraction = fraction;
        }
        Network::new((0, self.input_high), made)
    }

    /// `value * 2^fraction`, rounded to the nearest (a half away from zero) and saturated to signed `bits` bits.
    pub fn nearest(self, value: f32, fraction: u32) -> i64 {
        let half = 1i64 << (self.bits - 1);
        // Exact in f64: a power of two.
        let scaled = f64::from(value) * (1i64 << fraction) as f64;
        (scaled.clamp(-half as f64, (half - 1) as f64).round()) as i64
    }

    /// What [`FixedPoint::network`] makes of a weight, as a real number: for training with the rounding in the loop.
    pub fn weight(self, value: f32) -> f32 {
        self.nearest(value, self.bits - 1) as f32 / (1 << (self.bits - 1)) as f32
    }

    /// The same of a bias.
    pub fn bias(self, value: f32) -> f32 {
        self.nearest(value, self.bits - 2) as f32 / (1 << (self.bits - 2)) as f32
    }

    /// Greatest hidden value as a real number, and the distance of neighbours.
    pub fn activation(self) -> (f32, f32) {
        let step = 1.0 / (1 << (self.bits - 2)) as f32;
        (((1 << self.bits) - 1) as f32 * step, step)
    }
}
