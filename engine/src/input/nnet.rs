//! ACAS Xu's `.nnet` text files (Julian, Stanford): fully connected ReLU networks with a normalisation.
//!
//! The network is what the file stores: inputs become `(x - mean) / range`, every layer but the last ends in a ReLU, and all
//! outputs become `y range + mean` with the last mean and range. Decimals stand for the nearest binary64 numbers, and the
//! deployed network computes in binary64. The stated input minima and maxima only describe where the network is meant to be
//! used: unlike the original evaluation code, inputs outside are not moved to them.

use std::path::Path;

use super::InputError;
use super::onnx::pseudo_random;
use crate::graph::{Element, Graph, GraphError, NodeId};
use crate::numerics::Numbers;
use crate::ops::{Affine, Dense, Factors, Operation, Relu, Scale, Spread};

/// Most layers, and most elements of one, that a file may announce.
const LIMIT: usize = 1 << 20;

/// A file's contents.
struct Stored {
    /// Number of inputs, then of each layer's outputs.
    sizes: Vec<usize>,
    /// One for each input, then one for the outputs.
    means: Vec<f64>,
    ranges: Vec<f64>,
    /// Row-major weights and biases.
    layers: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Lines of numbers, with the place for messages.
struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    at: usize,
    path: &'a Path,
}

impl Lines<'_> {
    fn fail(&self, problem: impl Into<String>) -> InputError {
        InputError::place(self.path, format!("line {}", self.at), problem, "the file is truncated or not in the .nnet format")
    }

    /// The words of the next line that is no comment.
    fn words(&mut self, what: &str) -> Result<Vec<&str>, InputError> {
        for (number, line) in self.lines.by_ref() {
            self.at = number + 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with("//") {
                return Ok(line.split(',').map(str::trim).filter(|w| !w.is_empty()).collect());
            }
        }
        Err(self.fail(format!("the file ends where {what} should follow")))
    }

    fn sizes(&mut self, what: &str) -> Result<Vec<usize>, InputError> {
        let words: Vec<String> = self.words(what)?.into_iter().map(String::from).collect();
        let size = |w: &String| w.parse().ok().filter(|n| (1..=LIMIT).contains(n));
        words
            .iter()
            .map(|w| size(w).ok_or_else(|| self.fail(format!("`{}`, expected {what}: numbers from 1 to {LIMIT}", shown(w)))))
            .collect()
    }

    fn numbers(&mut self, count: usize, what: &str) -> Result<Vec<f64>, InputError> {
        let words: Vec<String> = self.words(what)?.into_iter().map(String::from).collect();
        if words.len() != count {
            return Err(self.fail(format!("{} numbers, expected {count} ({what})", words.len())));
        }
        // The standard library's words for NaN and infinity are refused with everything else that is no number.
        let number = |w: &String| w.parse::<f64>().ok().filter(|x| x.is_finite());
        words.iter().map(|w| number(w).ok_or_else(|| self.fail(format!("`{}` is not a finite number ({what})", shown(w))))).collect()
    }
}

/// The beginning of a word: a file of garbage may be one of some megabytes.
fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}

/// Reads a network from the text of a `.nnet` file; `path` is for messages.
pub fn load(text: &[u8], path: &Path) -> Result<Graph, InputError> {
    let text = std::str::from_utf8(text).map_err(|_| InputError::content(path, "this is not text", "give an .onnx or .nnet file"))?;
    let stored = read(text, path)?;
    let graph = build(&stored).map_err(|e| InputError::content(path, e.to_string(), "check the sizes in the file"))?;
    compare(&stored, &graph, path)?;
    Ok(graph)
}

fn read(text: &str, path: &Path) -> Result<Stored, InputError> {
    let mut lines = Lines { lines: text.lines().enumerate(), at: 0, path };
    let header = lines.sizes("the numbers of layers, inputs, outputs and the largest layer")?;
    let &[count, inputs, outputs, ..] = header.as_slice() else {
        return Err(lines.fail(format!("{} numbers in the first line, expected 4", header.len())));
    };
    let sizes = lines.sizes("the size of every layer")?;
    if sizes.len() != count + 1 || sizes[0] != inputs || sizes[count] != outputs {
        return Err(lines.fail(format!("sizes {sizes:?} for {count} layers from {inputs} inputs to {outputs} outputs")));
    }
    lines.words("an unused flag")?;
    lines.numbers(inputs, "the inputs' minima")?;
    lines.numbers(inputs, "the inputs' maxima")?;
    let means = lines.numbers(inputs + 1, "the means of the inputs and of the outputs")?;
    let ranges = lines.numbers(inputs + 1, "the ranges of the inputs and of the outputs")?;
    if ranges.iter().any(|&r| !(1.0 / r).is_normal()) {
        return Err(lines.fail("a range is zero or beyond what can be divided by"));
    }
    let mut layers = Vec::new();
    for (k, pair) in sizes.windows(2).enumerate() {
        let mut weights = Vec::new();
        for _ in 0..pair[1] {
            weights.extend(lines.numbers(pair[0], &format!("a row of weights of layer {}", k + 1))?);
        }
        let mut bias = Vec::new();
        for _ in 0..pair[1] {
            bias.extend(lines.numbers(1, &format!("a bias of layer {}", k + 1))?);
        }
        layers.push((weights, bias));
    }
    match lines.words("nothing") {
        Err(_) => Ok(Stored { sizes, means, ranges, layers }),
        Ok(_) => Err(lines.fail("more text after the last layer")),
    }
}

fn build(stored: &Stored) -> Result<Graph, GraphError> {
    let mut graph = Graph::new(Element::F64);
    let inputs = stored.sizes[0];
    let (mean, range) = (stored.means[inputs], stored.ranges[inputs]);
    let wrong = |problem: String| GraphError { node: "normalisation".into(), problem };
    let shifted = |name, bias: Vec<f64>| Scale::new(name, Spread::same(bias.len()), Factors::Uniform(1.0), Some(Numbers::F64(bias)));
    let divided: Vec<f64> = stored.ranges[..inputs].iter().map(|r| 1.0 / r).collect();
    let exact = divided.iter().zip(&stored.ranges).all(|(w, r)| w.mul_add(*r, -1.0) == 0.0);
    let mut at = graph.add_input("input", &[inputs]);
    let centred = shifted("Sub", stored.means[..inputs].iter().map(|m| -m).collect()).map_err(wrong)?;
    at = add(&mut graph, "input - mean", centred, at, inputs)?;
    let scaled = Scale::new("Div", Spread::same(inputs), Factors::Each(Numbers::F64(divided)), None).map_err(wrong)?;
    let scaled = scaled.with_errors(if exact { 0.0 } else { f64::EPSILON }, None);
    at = add(&mut graph, "(input - mean) / range", scaled, at, inputs)?;
    for (k, (pair, (weights, bias))) in stored.sizes.windows(2).zip(&stored.layers).enumerate() {
        let layer = Dense::new("Gemm", pair[0], pair[1], Numbers::F64(weights.clone()), Some(Numbers::F64(bias.clone()))).map_err(wrong)?;
        at = add(&mut graph, &format!("layer {}", k + 1), layer, at, pair[1])?;
        if k + 1 < stored.layers.len() {
            at = graph.add(&format!("relu {}", k + 1), Operation::Scalar(Box::new(Relu)), &[at], &[pair[1]])?;
        }
    }
    let outputs = graph.nodes[at].len();
    let widened = Scale::new("Mul", Spread::same(outputs), Factors::Uniform(range), None).map_err(wrong)?;
    at = add(&mut graph, "output * range", widened, at, outputs)?;
    at = add(&mut graph, "output", shifted("Add", vec![mean; outputs]).map_err(wrong)?, at, outputs)?;
    graph.outputs.push(at);
    Ok(graph)
}

fn add(graph: &mut Graph, name: &str, op: impl Affine + 'static, from: NodeId, len: usize) -> Result<NodeId, GraphError> {
    graph.add(name, Operation::Affine(Box::new(op)), &[from], &[len])
}

/// The graph against plain loops over the stored numbers, at three points within the ranges.
fn compare(stored: &Stored, graph: &Graph, path: &Path) -> Result<(), InputError> {
    for point in 0..3 {
        let random = pseudo_random(stored.sizes[0], point);
        let input: Vec<f64> = random.iter().enumerate().map(|(i, x)| stored.means[i] + stored.ranges[i] * x).collect();
        let (expected, scale) = evaluate(stored, &input);
        let found = graph.output_f64(&input);
        if let Some(i) = (0..expected.len()).find(|&i| !((expected[i] - found[i]).abs() <= 1e-6 * scale)) {
            let problem = format!("output {i} is {}, the reference evaluator says {}", found[i], expected[i]);
            return Err(InputError::content(path, problem, "this is a fault of the reader: please report the file"));
        }
    }
    Ok(())
}

/// Outputs, and the magnitude that their rounding errors are relative to.
fn evaluate(stored: &Stored, input: &[f64]) -> (Vec<f64>, f64) {
    let inputs = stored.sizes[0];
    let mut x: Vec<f64> = (0..inputs).map(|i| (input[i] - stored.means[i]) / stored.ranges[i]).collect();
    let mut scale = x.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (k, (weights, bias)) in stored.layers.iter().enumerate() {
        let row = |o: usize| &weights[o * x.len()..][..x.len()];
        let sum = |o: usize| row(o).iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() + bias[o];
        let size = |o: usize| row(o).iter().map(|w| w.abs()).sum::<f64>() * scale + bias[o].abs();
        let (next, largest): (Vec<f64>, f64) = ((0..bias.len()).map(sum).collect(), (0..bias.len()).map(size).fold(0.0, f64::max));
        x = if k + 1 < stored.layers.len() { next.into_iter().map(|y| y.max(0.0)).collect() } else { next };
        scale = largest;
    }
    let (mean, range) = (stored.means[inputs], stored.ranges[inputs]);
    (x.into_iter().map(|y| y * range + mean).collect(), scale * range.abs() + mean.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "// a comment\n2,2,1,2,\n2,2,1,\n0,\n-1,-1,\n1,1,\n1.0,2.0,10.0,\n2.0,4.0,3.0,\n1.0,-1.0,\n0.5,2.0,\n0.0,\n-1.0,\n1.0,1.0,\n0.25,\n";

    fn message(text: &str) -> String {
        load(text.as_bytes(), Path::new("small.nnet")).expect_err("refused").to_string()
    }

    #[test]
    fn normalisation_is_part_of_the_network() {
        let graph = load(SMALL.as_bytes(), Path::new("small.nnet")).expect("reads");
        // x = (5, 2) -> (2, 0) -> relu (2, 0) -> 2.25 -> 2.25 * 3 + 10; x = (1, 6) -> (0, 1) -> (0, 1) -> 1.25.
        assert_eq!(graph.output_f64(&[5.0, 2.0]), [16.75]);
        assert_eq!(graph.output_f64(&[1.0, 6.0]), [13.75]);
    }

    #[test]
    fn broken_files_are_refused_with_the_line() {
        assert!(message(&SMALL.replace("0.25,\n", "")).contains("line 13: the file ends where a bias of layer 2 should follow"));
        assert!(message(&SMALL.replace("0.5,2.0", "0.5,x")).contains("line 10: `x` is not a finite number"));
        assert!(message(&SMALL.replace("0.5,2.0", "0.5,nan")).contains("`nan` is not a finite number"));
        assert!(message(&SMALL.replace("0.5,2.0", "0.5")).contains("1 numbers, expected 2"));
        assert!(message(&SMALL.replace("2,2,1,\n", "2,2,2,\n")).contains("sizes [2, 2, 2]"));
        assert!(message(&SMALL.replace("2.0,4.0,3.0", "2.0,0.0,3.0")).contains("a range is zero"));
        assert!(message(&SMALL.replace("2,2,1,2", "99999999999999999999,2,1,2")).contains("expected the numbers of layers"));
        assert!(message(&format!("{SMALL}7\n")).contains("more text after the last layer"));
    }
}
