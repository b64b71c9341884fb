//! Leaves of a branch and bound.

use std::sync::Arc;
use std::time::Duration;

use dashu::rational::RBig;
use engine::graph::Graph;
use engine::numerics::{Decimal, Random};
use engine::query::{Case, Constraint, DecimalRange, NetworkDeclaration, Query, Region};
use exchange::json::{Reading, Value};
use exchange::leaves::{self, Effort, Leaves, Limits, judge, read, write};
use exchange::{Judgement, parse};

use super::mutations::{Tally, all, text};
use super::oracle;

fn value(text: &str) -> Value {
    parse("c", text.as_bytes(), Reading::Decimal).expect("JSON")
}

fn limits() -> Limits {
    Limits { leaf: Duration::from_secs(1), threads: 1, ..Limits::default() }
}

/// `relu(x) + relu(-x)` style networks need splits: a random network and a bound between its greatest value and CROWN's.
fn problem(random: &mut Random) -> (Graph, Query) {
    let inputs = 2;
    let graph = oracle::network(random, inputs, 3);
    let domain: Vec<(Decimal, Decimal)> = vec![(Decimal::from(-1), Decimal::ONE); inputs];
    let greatest = |o: usize, random: &mut Random| {
        let points = oracle::points(&domain, random, 300);
        let at = |p: &Vec<RBig>| oracle::values(&graph, p)[graph.outputs[0]].as_ref().expect("rational")[o].clone();
        points.iter().map(at).max().expect("points").to_f64().value()
    };
    let bound = |o: usize, random: &mut Random| Decimal::from((greatest(o, random) + 2.0).ceil() as i64);
    let row = |o: usize, bound: Decimal| Constraint { terms: vec![(inputs + o, Decimal::ONE)], constant: -bound, strict: false };
    let disjuncts = vec![vec![row(0, bound(0, random))], vec![row(1, bound(1, random)), row(0, Decimal::ZERO)]];
    let ranges = domain.iter().map(|(low, high)| DecimalRange { low: low.clone(), high: high.clone() }).collect();
    let case = Case { region: Region { ranges, cuts: vec![] }, disjuncts: Arc::new(disjuncts) };
    let network = NetworkDeclaration { name: "f".into(), relation: None, variables: vec![] };
    (graph, Query { networks: vec![network], legacy: true, cases: vec![case], notes: vec![] })
}

/// Are bounds and coverage of accepted leaves true?
fn is_true(graph: &Graph, query: &Query, leaves: &Leaves, random: &mut Random) -> Result<(), String> {
    let rows: Vec<&Constraint> = query.cases[0].disjuncts.iter().flatten().collect();
    let output = |p: &[RBig]| oracle::values(graph, p)[graph.outputs[0]].clone().expect("rational");
    for (at, leaf) in leaves.leaves.iter().enumerate() {
        let domain: Vec<(Decimal, Decimal)> =
            leaf.region.low.iter().zip(&leaf.region.high).map(|(l, h)| (l.exact.clone(), h.exact.clone())).collect();
        for point in oracle::points(&domain, random, 4) {
            let y = output(&point);
            for (row, bound) in rows.iter().zip(&leaf.lower_bounds) {
                let sum = row.evaluate_exact(|e| if e < 2 { point[e].clone() } else { y[e - 2].clone() }) - row.constant.to_rational();
                if -sum < bound.exact.to_rational() {
                    return Err(format!("a bound of leaf {at}"));
                }
            }
        }
    }
    let root: Vec<(Decimal, Decimal)> = query.cases[0].region.ranges.iter().map(|r| (r.low.clone(), r.high.clone())).collect();
    for point in oracle::points(&root, random, 20) {
        let y = output(&point);
        let broken = |d: &Vec<Constraint>| d.iter().all(|c| c.holds(|e| if e < 2 { point[e].clone() } else { y[e - 2].clone() }));
        if query.cases[0].disjuncts.iter().any(broken) {
            return Err("the query".into());
        }
        let within = |l: &leaves::Leaf| {
            (0..2).all(|i| l.region.low[i].exact.to_rational() <= point[i] && point[i] <= l.region.high[i].exact.to_rational())
        };
        if !leaves.leaves.iter().any(within) {
            return Err("the coverage".into());
        }
    }
    Ok(())
}

#[test]
fn written_leaves_are_accepted_and_accepted_mutations_are_true() {
    let mut random = Random::new(21);
    let (mut tally, mut certificates, mut split) = (Tally::default(), 0, 0);
    while certificates < 5 {
        let (graph, query) = problem(&mut random);
        let Ok(text_of) = write(&graph, &query, Effort { leaves: 40, time: Duration::from_secs(20) }) else { continue };
        let good = value(&text_of);
        let verdict = |value: &Value| {
            let value = parse("c", text(value).as_bytes(), Reading::Decimal).ok()?;
            let leaves = read("c", &value).ok()?;
            let judgement = judge(&leaves, Some((&graph, &query)), &limits()).ok()?;
            matches!(judgement, Judgement::Accepted(_)).then_some(leaves)
        };
        let own = verdict(&good).expect("our own certificate is accepted");
        is_true(&graph, &query, &own, &mut random).expect("true");
        certificates += 1;
        split += (own.leaves.len() > 1) as usize;
        if certificates > 3 {
            continue;
        }
        for (place, changed) in all(&good).into_iter().step_by(3) {
            let accepted = verdict(&changed);
            tally.count(&place, accepted.is_some());
            if let Some(leaves) = accepted
                && let Err(problem) = is_true(&graph, &query, &leaves, &mut random)
            {
                panic!("{place} was changed, accepted, and {problem} is false: {}", text(&changed));
            }
        }
    }
    println!("{tally:#?}, {split} with splits");
    assert!(split >= 2 && tally.tried > 200 && tally.total() > 10 && tally.total() * 2 < tally.tried, "{tally:?}");
    for never in ["format", "input_dim"] {
        assert_eq!(tally.accepted.get(never), None, "{never}");
    }
}

const SAMPLE: &str = r#"{"format":"abcrown_leaf_artifact_v0_1","input_dim":2,"root":{"lo":[-1,-1],"hi":[1,1]},"leaves":[
    {"lo":[-1,-1],"hi":[0,1],"lb":[1.0],"threshold":[0.0],"witness_idx":0,"witness_margin":1.0},
    {"lo":[0,-1],"hi":[1,1],"lb":[0.5],"threshold":[0.0]}]}"#;

#[test]
fn without_a_network_numbers_and_coverage_are_judged_and_nothing_is_accepted() {
    let judged = |from: &str, to: &str| {
        let text = SAMPLE.replacen(from, to, 1);
        assert!(from == to || text != SAMPLE);
        read("c", &value(&text)).map_err(|e| e.to_string()).map(|l| judge(&l, None, &limits()).expect("judged"))
    };
    assert!(matches!(judged("", ""), Ok(Judgement::Unproved(_))));
    for (from, to, words) in [
        ("\"hi\":[0,1]", "\"hi\":[-1e-300,1]", "no leaf holds"),
        ("\"hi\":[0,1]", "\"hi\":[0,1.5]", "beyond the root"),
        ("\"lb\":[1.0]", "\"lb\":[0.0]", "witness_idx"),
        ("\"lb\":[0.5]", "\"lb\":[0]", "no lb is above its threshold"),
        ("\"witness_margin\":1.0", "\"witness_margin\":1.0001", "witness_margin"),
    ] {
        let Ok(Judgement::Rejected(why)) = judged(from, to) else { panic!("{to} is rejected") };
        assert!(why.contains(words), "{why}");
    }
    for (from, to, words) in [
        ("\"input_dim\":2", "\"input_dim\":3", "an array of 3 numbers"),
        ("\"lb\":[0.5]", "\"lb\":[0.5,1]", "an array of 1 numbers"),
        ("\"witness_idx\":0", "\"witness_idx\":1", "a whole number from 0 to 0"),
        ("\"lo\":[0,-1]", "\"lo\":[0,2]", "lo[1] to be at most hi[1]"),
        ("artifact_v0_1", "artifact_v9", "the text `abcrown_leaf_artifact_v0_1`"),
    ] {
        assert!(judged(from, to).expect_err("refused").contains(words));
    }
}

#[test]
fn a_false_bound_is_shown_to_be_false() {
    let (graph, query) = problem(&mut Random::new(21));
    let text_of = write(&graph, &query, Effort { leaves: 4000, time: Duration::from_secs(60) }).expect("proved");
    let mut leaves = read("c", &value(&text_of)).expect("readable");
    let bound = &mut leaves.leaves[0].lower_bounds[1];
    *bound = exchange::json::Number::new(&bound.exact + &Decimal::from(1000));
    let Judgement::Rejected(why) = judge(&leaves, Some((&graph, &query)), &limits()).expect("judged") else { panic!("rejected") };
    assert!(why.contains("leaf 0: lb[1] is false: the row is below"), "{why}");
}
