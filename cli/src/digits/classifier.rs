//! A fully connected ReLU classifier and its JSON format `digits_linear_weights_v0_1`.
//!
//! `logits = W_n relu(... relu(W_1 x + b_1) ...) + b_n`; one layer makes it linear.

use engine::graph::{Element, Graph, GraphError};
use engine::numerics::Numbers;
use engine::ops::{Dense, Operation, Relu};
use serde_json::{Value, json};

use super::error::DigitsError;
use super::json::{Field, parse};

/// Format name of a one-layer network.
pub const LINEAR_FORMAT: &str = "digits_linear_weights_v0_1";
/// Format name of a network with hidden layers.
pub const RELU_FORMAT: &str = "digits_relu_weights_v0_1";
/// Raw pixels run from 0 to this; networks see pixels divided by it.
pub const PIXEL_SCALE: f64 = 16.0;

/// More of anything than a digits file can sensibly have.
const LARGEST_LAYER: usize = 1 << 16;

/// `y = W x + b`; every number is a binary32 number.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Row-major `outputs x inputs`.
    pub weights: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// A network of dense layers with ReLU between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// At least one; sizes fit.
    pub layers: Vec<Layer>,
    /// True if a number of the file was not a binary32 number, so that reading rounded it.
    pub rounded: bool,
}

impl Classifier {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// True if there is no hidden layer.
    pub fn is_linear(&self) -> bool {
        self.layers.len() == 1
    }

    /// True if all weights are finite.
    pub fn is_finite(&self) -> bool {
        self.layers.iter().all(|l| l.weights.iter().chain(&l.bias).all(|w| w.is_finite()))
    }

    /// `linear 64-10` or `ReLU 64-64-64-10`.
    pub fn title(&self) -> String {
        let sizes: Vec<String> =
            std::iter::once(self.inputs()).chain(self.layers.iter().map(|l| l.outputs)).map(|n| n.to_string()).collect();
        format!("{} {}", if self.is_linear() { "linear" } else { "ReLU" }, sizes.join("-"))
    }

    /// The logits in plain `f64` arithmetic: for nominal accuracy, never for proofs.
    pub fn logits(&self, x: &[f64]) -> Vec<f64> {
        let mut h = x.to_vec();
        for (k, layer) in self.layers.iter().enumerate() {
            if k > 0 {
                h.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            let rows = layer.weights.chunks_exact(layer.inputs).zip(&layer.bias);
            h = rows.map(|(row, &b)| row.iter().zip(&h).map(|(&w, v)| w as f64 * v).sum::<f64>() + b as f64).collect();
        }
        h
    }

    /// The class of the largest logit (the first of equals).
    pub fn predict(&self, x: &[f64]) -> usize {
        let logits = self.logits(x);
        (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
    }

    /// The same network as a graph of the engine.
    pub fn graph(&self) -> Result<Graph, DigitsError> {
        let mut graph = Graph::new(Element::F32);
        let mut last = graph.add_input("x", &[1, self.inputs()]);
        for (k, layer) in self.layers.iter().enumerate() {
            if k > 0 {
                let shape = graph.nodes[last].shape.clone();
                last = graph.add(&format!("relu{}", k - 1), Operation::Scalar(Box::new(Relu)), &[last], &shape).map_err(graph_error)?;
            }
            let (weights, bias) = (Numbers::F32(layer.weights.clone()), Numbers::F32(layer.bias.clone()));
            let dense = Dense::new("Gemm", layer.inputs, layer.outputs, weights, Some(bias)).map_err(DigitsError::Graph)?;
            last =
                graph.add(&format!("layer{k}"), Operation::Affine(Box::new(dense)), &[last], &[1, layer.outputs]).map_err(graph_error)?;
        }
        graph.outputs.push(last);
        Ok(graph)
    }

    /// Reads the JSON format; `file` is for messages.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<Classifier, DigitsError> {
        let value = parse(file, bytes)?;
        let top = Field::top(file, &value);
        let format = top.member("format")?.one_of(&[LINEAR_FORMAT, RELU_FORMAT])?;
        let (inputs, classes) = (size(&top, "in_dim")?, size(&top, "out_dim")?);
        scale_is_16(&top)?;
        let count = layer_count(&top)?;
        if format == LINEAR_FORMAT && count != 1 {
            return Err(top.member("format")?.expected(format!("`{RELU_FORMAT}` for {count} layers")));
        }
        let mut layers: Vec<Layer> = Vec::new();
        let mut rounded = false;
        for k in 0..count {
            let fan_in = layers.last().map_or(inputs, |l| l.outputs);
            let fan_out = if k + 1 == count { Some(classes) } else { None };
            layers.push(read_layer(&top, k, fan_in, fan_out, &mut rounded)?);
        }
        Ok(Classifier { layers, rounded })
    }

    /// Writes the JSON format, with a note on how the network was made.
    pub fn to_json(&self, training: Option<Value>) -> String {
        let format = if self.is_linear() { LINEAR_FORMAT } else { RELU_FORMAT };
        let mut top = json!({
            "format": format, "in_dim": self.inputs(), "out_dim": self.classes(), "normalize_div": PIXEL_SCALE,
        });
        if let Some(training) = training {
            top["training"] = training;
        }
        for (k, layer) in self.layers.iter().enumerate() {
            let rows: Vec<Vec<f64>> = layer.weights.chunks_exact(layer.inputs).map(|row| row.iter().map(|&w| w as f64).collect()).collect();
            top[format!("layers.{k}.weight")] = json!(rows);
            top[format!("layers.{k}.bias")] = json!(layer.bias.iter().map(|&b| b as f64).collect::<Vec<f64>>());
        }
        top.to_string() + "\n"
    }
}

fn graph_error(error: GraphError) -> DigitsError {
    DigitsError::Graph(error.to_string())
}

/// A size from 1 to a sensible limit.
fn size(top: &Field, key: &str) -> Result<usize, DigitsError> {
    let field = top.member(key)?;
    match field.natural(LARGEST_LAYER)? {
        0 => Err(field.expected("at least 1")),
        n => Ok(n),
    }
}

/// Pixels of weights and data sets must be scaled alike.
pub fn scale_is_16(top: &Field) -> Result<(), DigitsError> {
    let field = top.member("normalize_div")?;
    if field.number()? == PIXEL_SCALE { Ok(()) } else { Err(field.expected("16.0")) }
}

/// The number of layers: `layers.0.*` up to `layers.<n-1>.*`, without gaps or strangers.
fn layer_count(top: &Field) -> Result<usize, DigitsError> {
    let keys: Vec<&str> = top.keys()?.into_iter().filter(|k| k.starts_with("layers.")).collect();
    let count = keys.iter().filter(|k| k.ends_with(".weight")).count();
    let known = |key: &&str| (0..count).any(|k| **key == format!("layers.{k}.weight") || **key == format!("layers.{k}.bias"));
    match keys.iter().find(|key| !known(key)) {
        Some(stranger) => {
            Err(top.member(stranger)?.expected("only `layers.<i>.weight` and `layers.<i>.bias`, i = 0, 1, 2, ... without gaps"))
        }
        None if count == 0 => Err(top.expected("a member `layers.0.weight`")),
        None => Ok(count),
    }
}

fn read_layer(top: &Field, k: usize, inputs: usize, outputs: Option<usize>, rounded: &mut bool) -> Result<Layer, DigitsError> {
    let weight = top.member(&format!("layers.{k}.weight"))?;
    let rows = match outputs {
        Some(n) => weight.exactly(n)?,
        None => weight.elements()?,
    };
    if rows.is_empty() {
        return Err(weight.expected("at least one row"));
    }
    let mut weights = Vec::with_capacity(rows.len() * inputs);
    for row in &rows {
        for number in row.exactly(inputs)? {
            weights.push(single(&number, rounded)?);
        }
    }
    let bias = top.member(&format!("layers.{k}.bias"))?.exactly(rows.len())?;
    let bias = bias.iter().map(|b| single(b, rounded)).collect::<Result<_, _>>()?;
    Ok(Layer { inputs, outputs: rows.len(), weights, bias })
}

/// The binary32 number nearest to the file's number.
fn single(field: &Field, rounded: &mut bool) -> Result<f32, DigitsError> {
    let number = field.number()?;
    let nearest = number as f32;
    *rounded |= nearest as f64 != number;
    if nearest.is_finite() { Ok(nearest) } else { Err(field.expected("a number in the range of binary32")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Classifier {
        let first = Layer { inputs: 2, outputs: 2, weights: vec![1.0, 0.1, -1.0, 0.5], bias: vec![0.0, 0.25] };
        let second = Layer { inputs: 2, outputs: 2, weights: vec![1.0, 0.0, 0.0, 1.0], bias: vec![0.5, -0.5] };
        Classifier { layers: vec![first, second], rounded: false }
    }

    #[test]
    fn a_written_network_is_read_back_bit_for_bit() {
        let text = tiny().to_json(None);
        assert_eq!(Classifier::from_json("w", text.as_bytes()).expect("readable"), tiny());
    }

    #[test]
    fn evaluation_puts_relu_between_layers() {
        assert_eq!(tiny().logits(&[1.0, 0.0]), vec![1.5, -0.5]);
    }

    #[test]
    fn malformed_networks_are_refused_with_the_field() {
        let good: Value = serde_json::from_str(&tiny().to_json(None)).expect("json");
        let with = |key: &str, value: Value| {
            let mut bad = good.clone();
            bad[key] = value;
            Classifier::from_json("w", bad.to_string().as_bytes()).unwrap_err().to_string()
        };
        assert!(with("format", json!("x")).contains("digits_linear_weights_v0_1"));
        assert!(with("format", json!(LINEAR_FORMAT)).contains("for 2 layers"));
        assert!(with("in_dim", json!(3)).contains("layers.0.weight[0]"));
        assert!(with("out_dim", json!(0)).contains("out_dim"));
        assert!(with("normalize_div", json!(255)).contains("16.0"));
        assert!(with("layers.1.bias", json!([1.0])).contains("layers.1.bias"));
        assert!(with("layers.0.bias", json!([1.0, 1e300])).contains("binary32"));
        assert!(with("layers.7.bias", json!([1.0])).contains("without gaps"));
    }
}
