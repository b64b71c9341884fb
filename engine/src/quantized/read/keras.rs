//! Keras weights of dense layers, quantized on load.

use std::path::Path;

use super::hdf5::{self, Dataset};
use crate::input::InputError;
use crate::quantized::{DenseFloats, FixedPoint, Network};

const REMEDY: &str = "give the weights of a chain of dense layers as Keras saves them (.h5)";

/// Reads every pair `.../NAME/kernel:0`, `.../NAME/bias:0`, ordered by the number at the end of NAME.
pub fn read(bytes: &[u8], path: &Path) -> Result<Network, InputError> {
    let fail = |problem: String| InputError::content(path, problem, REMEDY);
    let datasets = hdf5::datasets(bytes).map_err(|problem| fail(format!("not readable as HDF5 weights: {problem}")))?;
    let mut kernels: Vec<&Dataset> = datasets.iter().filter(|d| leaf(&d.path) == "kernel:0").collect();
    kernels.sort_by_key(|d| number(&d.path));
    let mut layers: Vec<DenseFloats> = Vec::new();
    for kernel in kernels {
        let bias_path = format!("{}bias:0", kernel.path.trim_end_matches("kernel:0"));
        let bias = datasets.iter().find(|d| d.path == bias_path).ok_or_else(|| fail(format!("dataset `{bias_path}` is missing")))?;
        let &[inputs, outputs] = &kernel.shape[..] else {
            return Err(fail(format!("dataset `{}` has {} dimensions, a dense kernel has 2", kernel.path, kernel.shape.len())));
        };
        if bias.data.len() != outputs || layers.last().is_some_and(|l| l.outputs != inputs) {
            return Err(fail(format!("dataset `{}` of {inputs} x {outputs} does not fit its bias or the layer before", kernel.path)));
        }
        if let Some(bad) = [kernel, bias].into_iter().find(|d| d.data.iter().any(|w| !w.is_finite())) {
            return Err(fail(format!("dataset `{}` holds a number that is not finite", bad.path)));
        }
        // Keras stores inputs x outputs.
        let weights = (0..outputs).flat_map(|o| (0..inputs).map(move |i| kernel.data[i * outputs + o])).collect();
        layers.push(DenseFloats { inputs, outputs, weights, bias: bias.data.clone() });
    }
    FixedPoint::BENCHMARK.network(&layers).map_err(|e| fail(e.to_string()))
}

fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The number after the last underscore of the layer's name; none counts as 0.
fn number(path: &str) -> (u64, String) {
    let layer = path.rsplit('/').nth(1).unwrap_or("");
    let number = layer.rsplit_once('_').and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    (number, path.to_owned())
}
