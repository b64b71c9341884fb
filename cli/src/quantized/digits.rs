//! The embedded network of handwritten digits, trained and quantized by `ironbound quantized train`.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::quantized::read::{Images, network_from_bytes, query_to_json};
use engine::quantized::{Network, Query};

use super::decide::{Verdict, decide_image};
use super::options::DigitsArgs;
use super::train::{Examples, accuracy};
use crate::Finished;
use crate::digits::dataset::Dataset;
use crate::digits::embedded;
use crate::digits::train::split::split;
use crate::failure::Failure;
use crate::options::stop_on_interrupt;

/// Made by `ironbound quantized train --hidden 32 --epochs 60 --out quantized.json`.
const NETWORK: &[u8] = include_bytes!("../../data/digits/quantized.json");

/// Test and training images, pixels from 0 to 16; split as for the other embedded networks.
pub fn examples() -> (Examples, Examples) {
    let (training, test) = split(&embedded::images(), embedded::TEST_SHARE, embedded::SEED);
    (whole(&test), whole(&training))
}

fn whole(data: &Dataset) -> Examples {
    // Pixels are exact sixteenths.
    let bytes = data.examples.iter().flat_map(|e| e.x.iter().map(|x| (x * 16.0) as u8)).collect();
    Examples { images: Images::new(data.inputs, bytes), labels: data.examples.iter().map(|e| e.label as u8).collect() }
}

/// The embedded network.
pub fn network() -> Result<Network, Failure> {
    Ok(network_from_bytes(NETWORK, Path::new("embedded quantized network"))?)
}

/// Runs `quantized digits`.
pub fn run(args: &DigitsArgs) -> Result<Finished, Failure> {
    let (network, (test, _)) = (network()?, examples());
    if let Some(folder) = &args.save {
        std::fs::create_dir_all(folder).map_err(|e| Failure::about(folder, e))?;
        write(&folder.join("network.json"), NETWORK)?;
    }
    let stop: Arc<AtomicBool> = stop_on_interrupt()?;
    let total = args.max.min(test.labels.len());
    let mut counts = [0; 4];
    for id in 0..total {
        let image = test.images.get(id).ok_or_else(|| Failure::new("the embedded images are cut off"))?;
        let label = usize::from(test.labels[id]);
        if let Some(folder) = &args.save {
            let query = Query::around(&network, &image, args.eps, label);
            write(&folder.join(format!("query_{id:03}.json")), query_to_json(&query).as_bytes())?;
        }
        let (verdict, _) = decide_image(&network, &image, label, args.eps, Some(args.timeout), &stop)?;
        counts[match verdict {
            Verdict::Robust(_) => 0,
            Verdict::Vulnerable(_) => 1,
            Verdict::Misclassified(_) => 2,
            Verdict::Timeout(_) => 3,
        }] += 1;
    }
    let mut text =
        format!("Quantized digits network {}: {total} test images, every pixel (0 to 16) may move by {}\n\n", network.shape(), args.eps);
    for (name, count) in ["robust", "vulnerable", "misclassified", "timeout"].iter().zip(counts) {
        let _ = writeln!(text, "  {name:<16}{count:>5}");
    }
    let _ = writeln!(text, "\naccuracy on all {} test images: {:.4}", test.labels.len(), accuracy(&network, &test));
    text += "Robust means proved in exact integers: no picture within this distance gets another class (first maximum of the outputs).\n";
    Ok(Finished { output: text, code: if counts[3] > 0 { 2 } else { 0 } })
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, bytes).map_err(|e| Failure::about(file, format!("cannot be written: {e}")))
}

#[cfg(test)]
mod tests {
    use engine::quantized::FixedPoint;

    use super::*;
    use crate::quantized::train::{Recipe, train};

    #[test]
    fn the_embedded_network_is_what_the_trainer_makes() {
        let (test, training) = examples();
        let format = FixedPoint::sixteenths(6).expect("six bits");
        let recipe = Recipe { format, hidden: vec![32], seed: 0, epochs: 60, batch: 32, learning_rate: 0.002 };
        let made = train(&training, &recipe, &mut |_, _| {}).unwrap_or_else(|e| panic!("{}", e.message()));
        let network = network().unwrap_or_else(|e| panic!("{}", e.message()));
        assert_eq!(made, network);
        assert!(accuracy(&network, &test) > 0.95);
    }
}
