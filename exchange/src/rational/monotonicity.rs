//! `monotonicity_v1`: a linear/ReLU chain whose outputs never fall when inputs rise, because no weight is negative.
//!
//! Sums with weights of at least 0 preserve the componentwise order, ReLU does, and so does what is composed of them.

use dashu::rational::RBig;

use super::{Chain, Layer, text};
use crate::json::{Field, Value};
use crate::{ExchangeError, Judgement};

/// The format's name.
pub const FORMAT: &str = "monotonicity_v1";

/// Reads a certificate; `file` is for messages.
pub fn read(file: &str, value: &Value) -> Result<Chain, ExchangeError> {
    let top = Field::top(file, value);
    top.member("format")?.is(FORMAT)?;
    top.only(&["format", "input_dim", "layers"])?;
    Chain::read(&top, false)
}

/// Is no weight negative?
pub fn check(chain: &Chain) -> Judgement {
    for (l, layer) in chain.layers.iter().enumerate() {
        let Layer::Linear { weights, .. } = layer else { continue };
        for (r, row) in weights.iter().enumerate() {
            if let Some((c, w)) = row.iter().enumerate().find(|(_, w)| **w < RBig::ZERO) {
                return Judgement::Rejected(format!("layers[{l}].weights[{r}][{c}] is {}: a negative weight", text(w)));
            }
        }
    }
    let (n, m) = (chain.inputs, chain.outputs());
    Judgement::Accepted(vec![format!("no output ({m}) falls when inputs ({n}) rise, over all real inputs")])
}

/// The certificate of a chain whose weights are all at least 0.
pub fn write(chain: &Chain) -> Result<String, ExchangeError> {
    let layers = chain.layers.iter().map(|layer| match layer {
        Layer::Relu { .. } => Layer::Relu { alpha: None },
        linear => linear.clone(),
    });
    let chain = Chain { inputs: chain.inputs, layers: layers.collect() };
    match check(&chain) {
        Judgement::Rejected(why) => Err(ExchangeError::NotProved(why)),
        _ => Ok(format!(r#"{{"format":"{FORMAT}","input_dim":{},"layers":{}}}"#, chain.inputs, chain.to_json()) + "\n"),
    }
}
