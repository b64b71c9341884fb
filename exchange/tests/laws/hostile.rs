//! Anything at all may be read: every reader answers with an error or a judgement, never with a panic.

use engine::numerics::Random;
use exchange::json::{Reading, Value};
use exchange::nodes::{Kind, inside, judge};
use exchange::rational::{crown_query, monotonicity};
use exchange::{leaves, lirpa, parse};
use proptest::prelude::*;

use super::oracle;

/// Puts bytes through every reader and check.
fn everywhere(bytes: &[u8]) {
    for reading in [Reading::Decimal, Reading::Binary64] {
        let Ok(value) = parse("f", bytes, reading) else { continue };
        everything(&value);
    }
}

fn everything(value: &Value) {
    let _ = exchange::format_of(value);
    let _ = crown_query::read("f", value).map(|q| q.check());
    let _ = monotonicity::read("f", value).map(|c| monotonicity::check(&c));
    if let Ok(certificate) = lirpa::read("f", value) {
        for name in lirpa::NAMES {
            let _ = lirpa::check(&certificate, &lirpa::network(name).expect("known"));
        }
    }
    if let Ok(found) = leaves::read("f", value) {
        let _ = leaves::judge(&found, None, &leaves::Limits::default());
    }
    let given = oracle::network(&mut Random::new(1), 2, 2);
    for kind in [Kind::Intervals, Kind::Alpha, Kind::AlphaBeta] {
        let _ = judge("f", value, kind, &given, None, None);
        if let Ok(Some((graph, domain))) = inside("f", value) {
            let _ = judge("f", value, kind, &graph, domain.as_ref(), None);
        }
    }
}

/// One good document of every format.
fn good_documents() -> Vec<String> {
    let graph = oracle::network(&mut Random::new(2), 2, 3);
    let domain = oracle::domain(&mut Random::new(3), 2);
    let own = |kind, embed| exchange::nodes::write(&graph, &domain, kind, embed).expect("proved");
    let fixture = lirpa::network("cnn_graph_workflow_v1").expect("known");
    let image = oracle::domain(&mut Random::new(3), 16);
    vec![
        own(Kind::AlphaBeta, true),
        own(Kind::Alpha, false),
        lirpa::write("cnn_graph_workflow_v1", &fixture, &image).expect("proved"),
        r#"{"format":"monotonicity_v1","input_dim":1,"layers":[{"kind":"linear","weights":[["1/3"]],"bias":["-7"]},{"kind":"relu"}]}"#.into(),
        r#"{"format":"abcrown_leaf_artifact_v0_1","input_dim":1,"root":{"lo":[-1],"hi":[1]},"leaves":[{"lo":[-1],"hi":[1],"lb":[1],"threshold":[0]}]}"#.into(),
    ]
}

#[test]
fn good_documents_cut_anywhere_are_refused() {
    for document in good_documents() {
        let text = document.trim_end().as_bytes();
        assert!((0..text.len()).all(|n| parse("f", &text[..n], Reading::Decimal).is_err()));
        everywhere(text);
    }
}

#[test]
fn absurd_sizes_and_numbers_are_refused_before_anything_is_allocated() {
    for text in [
        r#"{"format":"node_certificate_v1","graph":{"nodes":[{"id":0,"parents":[],"kind":"input","outShape":[16777216,16777216]}]},"ibp":[null]}"#,
        r#"{"format":"node_certificate_v1","graph":{"nodes":[{"id":0,"parents":[0],"kind":"relu","outShape":[1]}]},"ibp":[null]}"#,
        r#"{"format":"node_certificate_v1","graph":{"nodes":[{"id":0,"parents":[],"kind":"input","outShape":[1]},{"id":1,"parents":[1],"kind":"relu","outShape":[1]}]},"ibp":[null,null]}"#,
        r#"{"format":"node_certificate_v1","graph":{"nodes":[{"id":0,"parents":[],"kind":"input","outShape":[16777216]},{"id":1,"parents":[0],"kind":"softmax","axis":5,"outShape":[16777216]}]},"ibp":[]}"#,
        r#"{"format":"node_certificate_v1","graph":{"nodes":[{"id":0,"parents":[],"kind":"input","outShape":[1,3,3]},{"id":1,"parents":[0],"kind":"conv2d","weight":[[[[1]]]],"stride":0,"outShape":[1,3,3]}]},"ibp":[null,null]}"#,
        r#"{"ctx":{"inputId":0,"inputDim":9007199254740992},"ibp":[null,null,null,null]}"#,
        r#"{"graph":"mlp_graph_workflow_v1","input_box":{"id":0,"dim":16777216,"lo":[],"hi":[]},"result":{"node_id":3,"dim":2,"lo":[1,1],"hi":[2,2]}}"#,
        r#"{"format":"crown_query_v1","input_dim":99999999999,"input":{"lo":[],"hi":[]},"layers":[],"query":{}}"#,
    ] {
        let value = parse("f", text.as_bytes(), Reading::Decimal).expect("JSON");
        everything(&value);
        let refused = inside("f", &value).is_err() || crown_query::read("f", &value).is_err() && lirpa::read("f", &value).is_err();
        assert!(refused, "{text}");
    }
}

#[test]
fn networks_whose_functions_would_not_fit_into_memory_are_rejected() {
    // A file of a few hundred kilobytes whose layers would need 1e9 coefficients.
    let many = |word: &str, n: usize| format!("[{}]", vec![format!("\"{word}\""); n].join(","));
    let (wide, column) = (many("1", 30_000), format!("[{}]", vec!["[\"1\"]"; 30_000].join(",")));
    let layers = [
        format!(r#"{{"kind":"relu","alpha":{wide}}}"#),
        format!(r#"{{"kind":"linear","weights":[{wide}],"bias":["0"]}},{{"kind":"linear","weights":{column},"bias":{wide}}}"#),
    ];
    for layers in layers {
        let text = format!(
            r#"{{"format":"crown_query_v1","input_dim":30000,"input":{{"lo":{0},"hi":{0}}},"layers":[{layers}],"query":{{"weights":[{0}],"bias":["0"],"strict":true}}}}"#,
            wide
        );
        let query = crown_query::read("f", &parse("f", text.as_bytes(), Reading::Decimal).expect("JSON")).expect("readable");
        let exchange::Judgement::Rejected(why) = query.check() else { panic!("rejected") };
        assert!(why.contains("too much time or memory"), "{why}");
    }
}

#[test]
fn claims_that_do_not_fit_their_graph_are_refused() {
    let graph = oracle::network(&mut Random::new(2), 2, 3);
    let good = exchange::nodes::produce(&graph, &oracle::domain(&mut Random::new(3), 2), true).expect("produced");
    let refused = |change: &dyn Fn(&mut exchange::nodes::Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        assert!(exchange::nodes::check(&graph, &claims).is_err());
    };
    assert_eq!(exchange::nodes::check(&graph, &good), Ok(()));
    refused(&|c| drop(c.nodes.pop()));
    refused(&|c| drop(c.nodes[1].ends.as_mut().map(|e| e.low.pop())));
    refused(&|c| drop(c.nodes[1].forms.as_mut().map(|f| f.high.coefficients.pop())));
    refused(&|c| drop(c.nodes[2].alpha.as_mut().map(|a| a.pop())));
    refused(&|c| c.input = Some(1));
    refused(&|c| c.input = Some(99));
    refused(&|c| c.input = None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        everywhere(&bytes);
    }

    #[test]
    fn changed_bytes_of_good_documents_do_no_harm(which in 0..5usize, at in any::<prop::sample::Index>(), new in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = good_documents().swap_remove(which).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = new;
        everywhere(&bytes);
        bytes[at] = b"0123456789eE-+.,[]{}\"n"[usize::from(new) % 22];
        everywhere(&bytes);
        bytes.drain(at..at + cut.index((bytes.len() - at).min(40)));
        everywhere(&bytes);
    }
}
