//! TorchLean's own certificates (shared data folder): read and judged.

use std::path::{Path, PathBuf};

use exchange::json::{Reading, Value};
use exchange::rational::{crown_query, monotonicity};
use exchange::{Judgement, leaves, lirpa, parse};

fn folder() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|p| p.join("shared"));
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from);
    let found = named.into_iter().chain(above).map(|p| p.join("data/torchlean")).find(|p| p.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED 1 test: no shared data folder (set IRONBOUND_SHARED)");
    }
    found
}

fn read(path: &Path, reading: Reading) -> Value {
    parse("f", &std::fs::read(path).expect("readable"), reading).expect("JSON")
}

/// The reason for the rejection of an output-interval certificate, if it is rejected.
fn rejection(path: &Path, reading: Reading) -> Option<String> {
    let certificate = lirpa::read("f", &read(path, reading)).expect("readable");
    let network = lirpa::network(&certificate.graph).expect("known");
    match lirpa::check(&certificate, &network).expect("judged") {
        Judgement::Accepted(_) => None,
        Judgement::Rejected(why) => Some(why),
        Judgement::Unproved(lines) => panic!("{lines:?}"),
    }
}

#[test]
fn the_five_lirpa_certificates_of_three_epochs_are_judged() {
    let Some(data) = folder() else { return };
    // Rounded to nearest (July) some ends are inside what follows; one ulp outward (August) all are outside but one that relies on
    // the accuracy of a library's sigmoid and tanh; September's constant enclosures are true.
    for (epoch, rejected) in [
        ("jul21", &["cnn result.lo[1]", "attention_softmax result.hi[0]", "gru_gate result.lo[0]"][..]),
        ("aug04", &["gru_gate result.lo[0]"]),
        ("latest_sep", &[]),
    ] {
        for name in ["mlp", "cnn", "attention_softmax", "gru_gate", "transformer_encoder"] {
            let path = data.join(epoch).join(format!("NN/Examples/Verification/LiRPA/{name}_cert.json"));
            let why = rejection(&path, Reading::Decimal);
            let expected = rejected.iter().find_map(|r| r.strip_prefix(name)).map(str::trim);
            assert_eq!(why.is_some(), expected.is_some(), "{epoch} {name}: {why:?}");
            assert!(why.zip(expected).is_none_or(|(w, e)| w.contains(e) && w.contains("is not implied")));
        }
    }
}

#[test]
fn the_published_examples_are_judged() {
    let Some(data) = folder() else { return };
    let docs = data.join("latest_sep/made_from_docs");
    let query = crown_query::read("f", &read(&docs.join("crown_query_v1_readme.json"), Reading::Decimal)).expect("readable");
    assert!(matches!(query.check(), Judgement::Accepted(lines) if lines[0].contains("largest bound -1/2")));
    let chain = monotonicity::read("f", &read(&docs.join("monotonicity_v1_readme.json"), Reading::Decimal)).expect("readable");
    assert!(matches!(monotonicity::check(&chain), Judgement::Accepted(_)));
    for name in ["sample_abcrown_leaf_artifact_v0_1.json", "example_raw_leaf_dump.json"] {
        let path = data.join("aug04/NN/Examples/Verification/AbCrown").join(name);
        let found = leaves::read("f", &read(&path, Reading::Decimal)).expect("readable");
        let judgement = leaves::judge(&found, None, &leaves::Limits::default()).expect("judged");
        assert!(matches!(judgement, Judgement::Unproved(_)), "{name}: {judgement:?}");
    }
}
