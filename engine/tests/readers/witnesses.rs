//! Witnesses that the engine finds on the development set are accepted by the checker's replay, and points beside them are not.

use std::fs;
use std::time::{Duration, Instant};

use checker::Semantics;
use checker::witness::replay;
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::input::{load_network, read_bytes};
use engine::numerics::Decimal;
use engine::search::{Config, Silent, Verdict, verify};

use crate::development_set;

/// Every so many of the instances that are known to fail.
const EVERY: usize = 7;

/// Families with functions, products or transposed convolutions: all of their instances.
const SMOOTH: [&str; 4] = ["dist_shift_2023", "ml4acopf_2024", "cgan_2023", "lsnc"];

#[test]
fn witnesses_are_accepted_and_points_outside_rejected() {
    let Some(root) = development_set() else { return };
    let table = fs::read_to_string(root.join("ground_truth.csv")).expect("readable");
    let failing: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).filter(|f: &Vec<&str>| f[3] == "sat").collect();
    let (mut of_smooth, mut real, mut float, mut only_one, mut slowest) = (0, 0, 0, Vec::new(), (Duration::ZERO, String::new()));
    let smooth = |fields: &&Vec<&str>| SMOOTH.contains(&fields[0]);
    for fields in failing.iter().filter(|f| !smooth(f)).step_by(EVERY).chain(failing.iter().filter(smooth)) {
        let file =
            |name: &str| [name.to_string(), format!("{name}.gz")].into_iter().map(|n| root.join(fields[0]).join(n)).find(|p| p.is_file());
        let (model, query) = (file(fields[1]).expect("a model"), file(fields[2]).expect("a query"));
        let (model_bytes, text) = (read_bytes(&model).expect("readable"), read_bytes(&query).expect("readable"));
        let Ok(network) = checker::read::onnx::network(&model_bytes) else { continue };
        let ours = checker::read::vnnlib::query(&text).expect("the checker reads it");
        let graph = load_network(&model).expect("the engine reads it");
        let engines = read_query(&text, &ParseOptions::default()).expect("the engine reads it");
        let config = Config { timeout: Some(Duration::from_secs(4)), threads: 1, ..Config::default() };
        let Verdict::Fails(witness) = verify(&graph, &engines, &config, &Silent).verdict else { continue };
        let texts: Vec<String> = witness.input.iter().map(Decimal::to_string).collect();
        let point: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let start = Instant::now();
        let verdicts = [Semantics::Real, Semantics::Float32].map(|semantics| replay(&network, &ours, semantics, &point));
        slowest = slowest.max((start.elapsed(), fields[1].into()));
        for (claimed, verdict, semantics) in
            [(witness.breaks_real, &verdicts[0], "real"), (witness.breaks_float32, &verdicts[1], "float32")]
        {
            // Libraries may compute a function each in their own way: then only real numbers can be replayed.
            let unreplayed = verdict.as_ref().is_err_and(|why| why.contains("no one value in binary32")) && verdicts[0].is_ok();
            assert!(!claimed || verdict.is_ok() || unreplayed, "{fields:?} under {semantics}: {verdict:?}");
        }
        of_smooth += usize::from(smooth(&fields));
        real += usize::from(verdicts[0].is_ok());
        float += usize::from(verdicts[1].is_ok());
        if verdicts[0].is_ok() != verdicts[1].is_ok() {
            only_one.push(fields[2].to_string());
        }
        let beyond = (0..point.len()).step_by(1 + point.len() / 3);
        for i in beyond {
            let mut outside = point.clone();
            outside[i] = b"1e30";
            let verdict = replay(&network, &ours, Semantics::Real, &outside);
            assert!(verdict.is_err_and(|why| why.contains("no input region")), "{fields:?}");
        }
        assert!(replay(&network, &ours, Semantics::Both, &point).is_err());
        assert!(replay(&network, &ours, Semantics::Real, &point[1..]).is_err());
    }
    println!(
        "accepted: {real} real, {float} float32, {of_smooth} of networks with functions or products; one of them only: {only_one:?}; the slowest took {slowest:?}"
    );
    assert!(real >= 20 && float >= 20 && of_smooth == 9);
}
