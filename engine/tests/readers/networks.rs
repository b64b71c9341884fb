//! Networks: the same outputs at random points, in the same order of operations; with functions that have no one value in
//! binary32, almost the same in binary64.

use std::collections::BTreeMap;

use checker::network::Operation;
use checker::read::Error;
use engine::graph::Element;
use engine::input::{load_network, read_bytes};

use crate::{development_set, files, random};

/// Largest difference of outputs that a few thousand roundings explain, relative to their size.
const ROUNDING: f64 = 1e-5;

/// Likewise in binary64.
const ROUNDING_F64: f64 = 1e-12;

#[test]
fn networks_agree_or_are_refused_by_name() {
    let Some(root) = development_set() else { return };
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut exactly, mut nearly, mut curved_too) = (0, Vec::new(), 0);
    for path in files(&root, ".onnx") {
        let bytes = read_bytes(&path).expect("readable");
        let network = match checker::read::onnx::network(&bytes) {
            Ok(network) => network,
            Err(Error::NotCertified(what)) => {
                let operator = what.split(" at node").next().unwrap_or_default();
                *refused.entry(operator.into()).or_default() += 1;
                continue;
            }
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let graph = load_network(&path).expect("the engine reads it");
        assert_eq!(graph.element == Element::F64, network.double);
        checker::plan::Plan::new(&network).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let mut state = 7;
        let (mut worst, mut rounding): (f64, f64) = (0.0, ROUNDING);
        for _ in 0..2 {
            let point: Vec<f32> = (0..graph.input_len()).map(|_| (random(&mut state) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect();
            let wide: Vec<f64> = point.iter().map(|&x| x.into()).collect();
            let curved = network.nodes.iter().any(|node| matches!(node.operation, Operation::Curve(_)));
            let ours = match curved {
                true => crate::evaluate::outputs(&network, &wide),
                false => checker::witness::deployed_outputs(&network, &wide).expect("finite values"),
            };
            let engines: Vec<f64> = match network.double || curved {
                true => graph.output_f64(&wide),
                false => graph.output_f32(&point).into_iter().map(f64::from).collect(),
            };
            curved_too += usize::from(curved);
            assert_eq!(ours.len(), engines.len(), "{}", path.display());
            let size = engines.iter().fold(0.0, |size: f64, y| size.max(y.abs()));
            assert!(size > 0.0, "{}: no output that could differ", path.display());
            assert!(ours.iter().all(|x| x.is_finite()), "{}", path.display());
            worst = ours.iter().zip(&engines).fold(worst, |worst, (a, b)| worst.max((a - b).abs() / size));
            rounding = if curved { ROUNDING_F64 } else { ROUNDING };
        }
        assert!(worst <= rounding, "{}: outputs differ by {worst:e}", path.display());
        if worst == 0.0 {
            exactly += 1;
        } else {
            nearly.push((worst, path));
        }
    }
    println!(
        "{exactly} networks agree bit for bit; within rounding: {nearly:?}; with functions: {}; refused: {refused:#?}",
        curved_too / 2
    );
    assert!(exactly + nearly.len() >= 110 && curved_too >= 20);
}
