//! `ironbound digits export`: the embedded networks and robustness queries as ordinary files, to try other commands on.

use std::fmt::Write;
use std::path::Path;

use super::dataset::Example;
use super::error::DigitsError;
use super::vnnlib::query;
use super::{embedded, json, onnx};

/// Writes both networks (JSON and ONNX), the test images, a query for each of the first `max` images, and `instances.csv`.
/// Returns what to tell the user.
pub fn export(folder: &Path, eps: f64, max: usize) -> Result<String, DigitsError> {
    std::fs::create_dir_all(folder).map_err(|source| DigitsError::Write { file: folder.into(), source })?;
    let write = |name: &str, bytes: &[u8]| json::write_bytes(&folder.join(name), bytes);
    let mut instances = String::new();
    let data = embedded::test_set();
    for (name, network) in [("linear", embedded::linear()?), ("relu", embedded::relu()?)] {
        write(&format!("{name}.onnx"), &onnx::encode(&network))?;
        write(&format!("{name}.json"), network.to_json(None).as_bytes())?;
        for example in data.examples.iter().take(max) {
            let _ = writeln!(instances, "{name}.onnx,{},10", query_name(example));
        }
    }
    write("test.json", data.to_json().as_bytes())?;
    for example in data.examples.iter().take(max) {
        write(&query_name(example), query(example, eps, data.classes).as_bytes())?;
    }
    write("instances.csv", instances.as_bytes())?;
    let place = folder.display();
    Ok(format!(
        "wrote linear.onnx, relu.onnx, their weights and test images as JSON, {} queries and instances.csv to {place}\n\
         try: ironbound verify {place}/relu.onnx {place}/image_000.vnnlib\n",
        max.min(data.examples.len())
    ))
}

fn query_name(example: &Example) -> String {
    format!("image_{:03}.vnnlib", example.id)
}
