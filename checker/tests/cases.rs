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
    assert_eq!((accepted.disjuncts, accepted.excluded, accepted.row_leaves), (2, 1, 0));
    let tree = [&[0x40, 0][..], &0.5f64.to_le_bytes(), &[1, 0x52, 0x10, 0x20, 0, 0, 0x20, 1, 0, 0x50]].concat();
    let (share, rejected) =
        checker::check_all(&network, &query, Semantics::Real, &container(&payload(&tree), Semantics::Real, true), 1).unwrap();
    assert_eq!((share.proved, share.excluded, rejected.len()), (0.25, 0, 0), "a quarter of the box lies beyond the split");
    // What is rejected counts as open, and all of it is found.
    let tree = [&[0x40, 0][..], &half, &[1, 0x50, 0x50]].concat();
    let (share, rejected) =
        checker::check_all(&network, &query, Semantics::Real, &container(&payload(&tree), Semantics::Real, false), 1).unwrap();
    assert_eq!((share.proved, share.excluded, rejected.len()), (0.0, 0, 2));
}

/// Every case's tree is looked at: one that is accepted says nothing about the next.
#[test]
fn every_case_is_looked_at() {
    let (network, mut query) = question();
    query.cases.push(query.cases[0].clone());
    let good = read(&files("accept").into_iter().find(|p| p.ends_with("a_split_input.txt")).unwrap()).1;
    let bad = &[0x50][..];
    for (first, second) in [(&good[..], bad), (bad, &good), (bad, bad), (&good, &good)] {
        let payload = [&[2, first.len() as u8][..], first, &[second.len() as u8], second].concat();
        let bytes = container(&payload, Semantics::Real, false);
        for threads in [1, 3] {
            let wrong = [first, second].iter().filter(|tree| **tree == bad).count();
            assert_eq!(check(&network, &query, Semantics::Real, &bytes, threads).is_ok(), wrong == 0);
            let rejected = checker::check_all(&network, &query, Semantics::Real, &bytes, threads).unwrap().1;
            assert_eq!(rejected.len(), wrong);
        }
    }
    // Nor is a query about other numbers of outputs or inputs, even where what it asks exists.
    let bytes = container(&payload(&good), Semantics::Real, false);
    let (network, query) = question();
    assert!(check(&network, &query, Semantics::Real, &bytes, 1).is_ok());
    for (inputs, outputs) in [(2, 2), (3, 1)] {
        let other = Query { inputs, outputs, ..query.clone() };
        let reason = check(&network, &other, Semantics::Real, &bytes, 1).unwrap_err().reason;
        assert!(reason.contains("another number of inputs or outputs"), "{reason}");
    }
}

/// 4096 splits on a path are as many as there may be.
#[test]
fn paths_end() {
    let (network, query) = question();
    for (splits, accepted) in [(4096, true), (4097, false)] {
        let split = [&[0x40, 0][..], &0f64.to_le_bytes(), &[1, 0x52]].concat();
        let tree = [split.repeat(splits), vec![0x52]].concat();
        let shown = check(&network, &query, Semantics::Real, &container(&payload(&tree), Semantics::Real, true), 1);
        assert_eq!(shown.is_ok(), accepted, "{splits} splits: {shown:?}");
    }
}

/// Each phase is its own fact: `x >= 2` and `y >= 3` say nothing about what lies between their numbers.
#[test]
fn phases_on_a_path_are_told_apart() {
    for (inputs, constants, named) in [(2usize, vec![-2.0, -3.0], 1u8), (1, vec![-2.0, -3.0, -1.0], 2), (1, vec![-1.0, -2.0, -3.0], 2)] {
        let mut b = Builder::default();
        let input = b.node(inputs, vec![], Operation::Input);
        let len = constants.len();
        let weights = (0..len * inputs).map(|i| f64::from((i % inputs == i / inputs) as u8 | (inputs == 1) as u8)).collect();
        let a = b.affine(vec![(input, Linear::Dense(weights))], len, constants);
        let h = b.node(len, vec![a], Operation::Hinge(0.0));
        let out = b.affine(vec![(h, Linear::Dense(vec![1.0; len]))], 1, vec![]);
        b.network.outputs.push(out);
        let query = query(&vec![1.0; inputs], &vec![5.0; inputs], 1, vec![vec![constraint(&[(0, 1.0)], -5.0, false)]]);
        let splits = (0..len as u8).flat_map(|j| [0x41, 0, j, 1, 0x52]).collect::<Vec<u8>>();
        let drop = |weight: f32| [&[0x21, 0, 1, 4 * named + 2][..], &weight.to_le_bytes(), &[0x50]].concat();
        let tree = [&splits[..], &drop(1.0)].concat();
        let refused = check(&b.network, &query, Semantics::Real, &container(&payload(&tree), Semantics::Real, true), 1).unwrap_err();
        assert!(refused.reason.contains("is not excluded"), "{refused}");
    }
}

/// `z >= 2.75` is excluded by splitting both ReLUs. With a leaf open the disjunct is open, in a partial certificate only, and every other
/// leaf must do as before.
#[test]
fn open_leaves_of_row_trees_exclude_nothing() {
    let (network, query) = question();
    let beta = 0f32.to_le_bytes();
    // Per leaf its kind, two multipliers and no slopes.
    let tree = |kinds: [u8; 4]| {
        let leaf = |kind: u8| [&[kind][..], &beta, &beta].concat();
        [&[0x23, 1, 0, 0, 1, 0, 0, 1, 0, 1][..], &leaf(kinds[0]), &leaf(kinds[1]), &[1, 0, 1], &leaf(kinds[2]), &leaf(kinds[3])].concat()
    };
    let verdict = |tree: &[&[u8]], partial: bool| {
        let tree = [&[0x10, 0x20, 0, 0][..], &tree.concat()].concat();
        check(&network, &query, Semantics::Real, &container(&payload(&tree), Semantics::Real, partial), 1)
    };
    let whole = verdict(&[&tree([0; 4]), &[0x50]], false).unwrap();
    assert_eq!((whole.proved, whole.row_leaves, whole.open_row_leaves), (1.0, 4, 0));
    let refused = |tree: &[&[u8]], partial: bool, why: &str| {
        let reason = verdict(tree, partial).unwrap_err().reason;
        assert!(reason.contains(why), "{reason}");
    };
    for at in 0..4 {
        let mut kinds = [0; 4];
        kinds[at] = 2;
        let part = verdict(&[&tree(kinds), &[0x52]], true).unwrap();
        assert_eq!((part.proved, part.excluded, part.row_leaves, part.open_row_leaves), (0.875, 1, 4, 1));
        refused(&[&tree(kinds), &[0x50]], true, "disjunct 1 is still open");
        refused(&[&tree(kinds), &[0x52]], false, "not partial");
        refused(&[&tree(kinds), &[0x50]], false, "not partial");
        // Of two trees the better one counts; together they still prove nothing.
        let mut more = kinds;
        more[(at + 1) % 4] = 2;
        assert_eq!(verdict(&[&tree(more), &tree(kinds), &[0x52]], true).unwrap().proved, 0.875);
        assert_eq!(verdict(&[&tree(kinds), &tree(more), &[0x52]], true).unwrap().proved, 0.875);
        refused(&[&tree(kinds), &tree(more), &[0x50]], true, "disjunct 1 is still open");
        // The whole tree after it closes the disjunct after all.
        assert_eq!(verdict(&[&tree(kinds), &tree([0; 4]), &[0x50]], true).unwrap().proved, 1.0);
    }
    assert_eq!(verdict(&[&tree([2; 4]), &[0x52]], true).unwrap().proved, 0.5);
    refused(&[&tree([3, 0, 0, 0]), &[0x52]], true, "leaves (0, 2) and splits (1) only");
    // A leaf that claims too much is refused beside open ones too: the whole region is no leaf that can be closed.
    refused(&[&[0x23, 1, 0, 0, 0], &[0x52]], true, "is not excluded");
    let half = [&[0x23, 1, 0, 0, 1, 0, 0, 2][..], &beta, &[0], &beta].concat();
    refused(&[&half, &[0x52]], true, "is not excluded");
    // In trees for intervals there is nothing to leave open.
    refused(&[&[0x12, 0, 1, 0, 2], &[0x52]], true, "a leaf is open");
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
    refused(&[1, 0, 255], "only the slopes of ReLUs and of functions of one number are free");
    let beta = 0f32.to_le_bytes();
    refused(&[&[0, 1, 0, 0, 0][..], &beta, &[0], &beta].concat(), "splits ReLUs only");
}
