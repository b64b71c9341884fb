//! A chain of linear layers and ReLU with exact rational parameters.

use dashu::rational::RBig;

use super::number::{fraction, text};
use crate::ExchangeError;
use crate::json::{Field, array, quoted};

/// Largest width of a layer.
pub const WIDEST: usize = 1 << 20;

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// `y = W x + b`.
    Linear {
        /// One row for each output.
        weights: Vec<Vec<RBig>>,
        /// One for each output.
        bias: Vec<RBig>,
    },
    /// `y = max(x, 0)`, with a proposed slope from below for each element where the format has them.
    Relu {
        /// Slopes in `[0, 1]`.
        alpha: Option<Vec<RBig>>,
    },
}

/// Layers whose sizes fit; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Number of inputs, at least 1.
    pub inputs: usize,
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Chain {
    /// Reads `input_dim` and `layers`; `slopes` says whether ReLU layers carry `alpha`.
    pub fn read(top: &Field, slopes: bool) -> Result<Chain, ExchangeError> {
        let inputs = top.member("input_dim")?.positive(WIDEST)?;
        let list = top.member("layers")?;
        let (mut layers, mut width) = (Vec::new(), inputs);
        for field in list.elements()? {
            let layer = read_layer(&field, width, slopes)?;
            if let Layer::Linear { bias, .. } = &layer {
                width = bias.len();
            }
            layers.push(layer);
        }
        match layers.is_empty() {
            true => Err(list.expected("at least one layer")),
            false => Ok(Chain { inputs, layers }),
        }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        let width = |layer: &Layer| match layer {
            Layer::Linear { bias, .. } => Some(bias.len()),
            Layer::Relu { .. } => None,
        };
        self.layers.iter().rev().find_map(width).unwrap_or(self.inputs)
    }

    /// The value at a point, exactly.
    pub fn evaluate(&self, point: &[RBig]) -> Vec<RBig> {
        let mut x = point.to_vec();
        for layer in &self.layers {
            x = match layer {
                Layer::Linear { weights, bias } => weights.iter().zip(bias).map(|(row, b)| dot(row, &x) + b).collect(),
                Layer::Relu { .. } => x.into_iter().map(|v| v.max(RBig::ZERO)).collect(),
            };
        }
        x
    }

    /// The layers as JSON.
    pub fn to_json(&self) -> String {
        array(self.layers.iter().map(|layer| match layer {
            Layer::Linear { weights, bias } => {
                format!(r#"{{"kind":"linear","weights":{},"bias":{}}}"#, matrix(weights), vector(bias))
            }
            Layer::Relu { alpha: None } => r#"{"kind":"relu"}"#.into(),
            Layer::Relu { alpha: Some(slopes) } => format!(r#"{{"kind":"relu","alpha":{}}}"#, vector(slopes)),
        }))
    }
}

fn dot(row: &[RBig], x: &[RBig]) -> RBig {
    row.iter().zip(x).filter(|(w, _)| !w.is_zero()).fold(RBig::ZERO, |sum, (w, v)| sum + w * v)
}

/// An array of fractions as JSON.
pub fn vector(values: &[RBig]) -> String {
    array(values.iter().map(|v| quoted(&text(v))))
}

/// An array of rows of fractions as JSON.
pub fn matrix(rows: &[Vec<RBig>]) -> String {
    array(rows.iter().map(|row| vector(row)))
}

/// Exactly `n` fractions.
pub fn read_vector(field: &Field, n: usize) -> Result<Vec<RBig>, ExchangeError> {
    field.exactly(n)?.iter().map(fraction).collect()
}

/// The members `weights` (rows of `inputs` fractions, at least one) and `bias`.
pub fn read_linear(field: &Field, inputs: usize) -> Result<(Vec<Vec<RBig>>, Vec<RBig>), ExchangeError> {
    let rows = field.member("weights")?;
    let weights: Vec<Vec<RBig>> = rows.elements()?.iter().map(|row| read_vector(row, inputs)).collect::<Result<_, _>>()?;
    if weights.is_empty() {
        return Err(rows.expected("at least one row"));
    }
    let bias = read_vector(&field.member("bias")?, weights.len())?;
    Ok((weights, bias))
}

fn read_layer(field: &Field, width: usize, slopes: bool) -> Result<Layer, ExchangeError> {
    let kind = field.member("kind")?;
    match kind.text()? {
        "linear" => {
            field.only(&["kind", "weights", "bias"])?;
            let (weights, bias) = read_linear(field, width)?;
            Ok(Layer::Linear { weights, bias })
        }
        "relu" if slopes => {
            field.only(&["kind", "alpha"])?;
            let alpha = field.member("alpha")?.exactly(width)?;
            Ok(Layer::Relu { alpha: Some(alpha.iter().map(read_slope).collect::<Result<_, _>>()?) })
        }
        "relu" => {
            field.only(&["kind"])?;
            Ok(Layer::Relu { alpha: None })
        }
        _ => Err(kind.expected("`linear` or `relu`")),
    }
}

fn read_slope(field: &Field) -> Result<RBig, ExchangeError> {
    let slope = fraction(field)?;
    if slope < RBig::ZERO || slope > RBig::ONE { Err(field.expected("a slope from 0 to 1")) } else { Ok(slope) }
}
