//! The trees in `cases/`: accepted, or refused for the stated reason.

mod support;

use std::path::Path;

use checker::network::{Linear, Network, Operation};
use checker::query::Query;
use checker::{Accepted, Rejection, Semantics, check};
use support::Builder;
use support::prover::{constraint, container, payload, query};

/// `z = relu(x + y) + relu(x - y)` on `[-1, 1]^2`: is `z >= 3.5` or `z >= 2.75` possible?
fn question() -> (Network, Query) {
    let mut b = Builder::default();
    let input = b.node(2, vec![], Operation::Input);
    let a = b.affine(vec![(input, Linear::Dense(vec![1.0, 1.0, 1.0, -1.0]))], 2, vec![]);
    let h = b.node(2, vec![a], Operation::Hinge(0.0));
    let z = b.affine(vec![(h, Linear::Dense(vec![1.0, 1.0]))], 1, vec![]);
    b.network.outputs.push(z);
    let row = |constant| vec![constraint(&[(0, 1.0)], constant, false)];
    (b.network, query(&[-1.0, -1.0], &[1.0, 1.0], 1, vec![row(-3.5), row(-2.75)]))
}

/// The first line without its mark, and the tree.
fn read(path: &Path) -> (String, Vec<u8>) {
    let text = std::fs::read_to_string(path).unwrap();
    let (reason, bytes) = text.split_once('\n').unwrap();
    let tree = bytes.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
    (reason.trim_start_matches("# ").to_string(), tree)
}

fn verdict(tree: &[u8], semantics: Semantics) -> Result<Accepted, Rejection> {
    let (network, query) = question();
    check(&network, &query, semantics, &container(&payload(tree), semantics, false), 1)
}

fn files(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases").join(folder);
    std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect()
}

#[test]
fn every_case_is_refused_for_its_reason() {
    let cases = files("reject");
    assert!(cases.len() >= 30);
    for path in cases {
        let (reason, tree) = read(&path);
        for semantics in [Semantics::Real, Semantics::Float32, Semantics::Both] {
            let rejection = verdict(&tree, semantics).expect_err(&path.display().to_string());
            assert!(rejection.to_string().contains(&reason), "{}: {rejection}", path.display());
        }
    }
}

#[test]
fn good_cases_are_accepted() {
    for path in files("accept") {
        for semantics in [Semantics::Real, Semantics::Float32, Semantics::Both] {
            let accepted = verdict(&read(&path).1, semantics).unwrap_or_else(|r| panic!("{}: {r}", path.display()));
            assert_eq!(accepted.proved, 1.0);
        }
    }
}

/// The same proof under another question, box or network is refused.
#[test]
fn a_proof_is_about_its_question() {
    let (network, query) = question();
    let tree = read(&files("accept").into_iter().find(|p| p.ends_with("a_split_input.txt")).unwrap()).1;
    let bytes = container(&payload(&tree), Semantics::Real, false);
    assert!(check(&network, &query, Semantics::Real, &bytes, 1).is_ok());
    let refused = |network: &Network, query: &Query, what: &str| {
        assert!(check(network, query, Semantics::Real, &bytes, 1).is_err(), "{what}");
    };
    let exact = support::exact;
    let mut other = query.clone();
    other.cases[0].high[0] = exact(2.0);
    refused(&network, &other, "a larger box");
    let mut other = query.clone();
    other.cases[0].disjuncts[1][0].constant = exact(-2.5);
    refused(&network, &other, "a harder disjunct");
    let mut other = query.clone();
    other.cases[0].disjuncts.push(vec![]);
    refused(&network, &other, "another disjunct");
    let mut other = query.clone();
    other.cases.push(other.cases[0].clone());
    refused(&network, &other, "another case");
    let mut other = network.clone();
    other.nodes[2].operation = Operation::Hinge(-1.0);
    refused(&other, &query, "another activation");
    let mut other = network.clone();
    if let Operation::Affine(affine) = &mut other.nodes[3].operation {
        affine.parts = vec![Linear::Dense(vec![1.0, 2.0])];
    }
    refused(&other, &query, "other weights");
    assert!(check(&network, &query, Semantics::Both, &bytes, 1).is_err(), "another semantics");
}

/// Partial certificates say how much they prove.
#[test]
fn the_proved_share_is_reported() {
    let (network, query) = question();
    let half = 0.0f64.to_le_bytes();
    let tree = [&[0x10, 0x20, 0, 0, 0x40, 0][..], &half, &[5, 0x10, 0x20, 1, 0, 0x50, 0x52]].concat();
    let bytes = container(&payload(&tree), Semantics::Real, true);
    let accepted = check(&network, &query, Semantics::Real, &bytes, 1).unwrap();
    // Half of the box is open for one of two disjuncts.
    assert_eq!((accepted.nodes, accepted.leaves, accepted.proved), (3, 2, 0.75));
}

/// `y = x` on `[-1, 1]`, and the verdict on a tree.
fn identity_verdict(disjuncts: Vec<Vec<checker::query::Constraint>>, tree: &[u8]) -> Result<Accepted, Rejection> {
    let mut b = Builder::default();
    let input = b.node(1, vec![], Operation::Input);
    let y = b.affine(vec![(input, Linear::Dense(vec![1.0]))], 1, vec![]);
    b.network.outputs.push(y);
    let query = query(&[-1.0], &[1.0], 1, disjuncts);
    check(&b.network, &query, Semantics::Real, &container(&payload(tree), Semantics::Real, false), 1)
}

/// The counterexamples lie right of the split, close to it.
#[test]
fn an_uncovered_sliver_is_noticed() {
    let between = |low: f64, high: f64| vec![vec![constraint(&[(0, 1.0)], -low, false), constraint(&[(0, -1.0)], high, false)]];
    let half = 0.0f64.to_le_bytes();
    let tree = [&[0x40, 0][..], &half, &[4, 0x20, 0, 0, 0x50, 0x20, 0, 1, 0x50]].concat();
    assert!(identity_verdict(between(0.1, 0.12), &tree).unwrap_err().to_string().contains("disjunct 0 is not excluded"));
    assert!(identity_verdict(between(-0.12, -0.1), &tree).unwrap_err().to_string().contains("disjunct 0 is not excluded"));
    assert!(identity_verdict(between(0.1, -0.1), &tree).is_ok(), "nothing lies in an empty range");
}

/// What one disjunct's facts leave of the box must not be taken for what another one's leave.
#[test]
fn a_clip_keeps_what_any_open_disjunct_needs() {
    let [right, left] = [vec![constraint(&[(0, 1.0)], -0.5, false)], vec![constraint(&[(0, -1.0)], -0.5, false)]];
    for (first, second) in [(&right, &left), (&left, &right)] {
        for dropped in [0, 1] {
            let one = 1f32.to_le_bytes();
            let tree = [&[0x30, 1, 0][..], &one, &[1, 0], &one, &[0x20, dropped, 0, 0x50]].concat();
            let refused = identity_verdict(vec![first.clone(), second.clone()], &tree).unwrap_err();
            assert!(refused.to_string().contains("is not excluded"), "{refused}");
        }
    }
}

/// The rules of row trees are those of a ReLU: 0 below zero, and any slope between 0 and 1 beneath it.
#[test]
fn row_trees_leave_other_hinges_alone() {
    let mut b = Builder::default();
    let input = b.node(1, vec![], Operation::Input);
    let leaky = b.node(1, vec![input], Operation::Hinge(0.5));
    b.network.outputs.push(leaky);
    let query = query(&[-1.0], &[1.0], 1, vec![vec![constraint(&[(0, 1.0)], -2.0, false)]]);
    let verdict = |tree: &[u8]| {
        let step = [&[0x23, 0, 0][..], tree, &[0x50]].concat();
        check(&b.network, &query, Semantics::Real, &container(&payload(&step), Semantics::Real, false), 1)
    };
    assert!(verdict(&[0, 0]).is_ok());
    let refused = |tree: &[u8], why: &str| {
        let reason = verdict(tree).unwrap_err().reason;
        assert!(reason.contains(why), "{reason}");
    };
    refused(&[1, 0, 255], "only a ReLU's slopes are free");
    let beta = 0f32.to_le_bytes();
    refused(&[&[0, 1, 0, 0, 0][..], &beta, &[0], &beta].concat(), "splits ReLUs only");
}
