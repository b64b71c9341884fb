//! `crown_query_v1` and `monotonicity_v1`.

use std::sync::Arc;

use dashu::rational::RBig;
use engine::numerics::{Decimal, Random};
use engine::query::{Case, Constraint, DecimalRange, Query, Region};
use exchange::json::{Reading, Value};
use exchange::rational::crown_query::{self, CrownQuery};
use exchange::rational::{Chain, extract, monotonicity, prove};
use exchange::{ExchangeError, Judgement, parse};

use super::mutations::{Tally, all, text};
use super::oracle;

const README: &str = r#"{"format":"crown_query_v1","input_dim":1,"input":{"lo":["-1"],"hi":["1"]},"layers":[{"kind":"linear","weights":[["1"],["-1"]],"bias":["0","0"]},{"kind":"relu","alpha":["1/2","1/2"]},{"kind":"linear","weights":[["1","1"]],"bias":["0"]}],"query":{"weights":[["1"]],"bias":["-3/2"],"strict":true}}"#;
const MONOTONE: &str =
    r#"{"format":"monotonicity_v1","input_dim":2,"layers":[{"kind":"linear","weights":[["1/3","0"]],"bias":["-7"]},{"kind":"relu"}]}"#;

fn value(text: &str) -> Value {
    parse("c", text.as_bytes(), Reading::Decimal).expect("JSON")
}

fn accepted(text: &str) -> bool {
    crown_query::read("c", &value(text)).is_ok_and(|q| matches!(q.check(), Judgement::Accepted(_)))
}

/// Is what the file states true at corners and random points?
fn is_true(query: &CrownQuery, random: &mut Random) -> bool {
    for _ in 0..60 {
        let mut side = |(l, h): (&RBig, &RBig)| l + (h - l) * RBig::from_parts(((random.bits() % 9) as i64).into(), 8u8.into());
        let point: Vec<RBig> = query.low.iter().zip(&query.high).map(&mut side).collect();
        let y = query.chain.evaluate(&point);
        for (row, b) in query.weights.iter().zip(&query.bias) {
            let value = row.iter().zip(&y).fold(b.clone(), |sum, (w, v)| sum + w * v);
            if !query.allows(&value) {
                return false;
            }
        }
    }
    true
}

#[test]
fn the_published_example_and_its_boundaries() {
    assert!(accepted(README));
    // The bound is exactly 1.
    assert!(!accepted(&README.replace("-3/2", "-1")));
    assert!(accepted(&README.replace("-3/2", "-1").replace("true", "false")));
    assert!(accepted(&README.replace("-3/2", "-1000000000000000000001/1000000000000000000000")));
    assert!(!accepted(&README.replace("-3/2", "-999999999999999999999/1000000000000000000000").replace("true", "false")));
    assert!(accepted(&README.replace("1/2", "0")) && accepted(&README.replace("1/2", "1")));
}

#[test]
fn accepted_mutations_state_something_true() {
    let mut random = Random::new(11);
    let mut tally = Tally::default();
    let mut documents = vec![README.to_string()];
    while documents.len() < 6 {
        documents.extend(random_certificate(&mut random));
    }
    for document in documents {
        assert!(accepted(&document));
        for (place, changed) in all(&value(&document)) {
            let file = parse("c", text(&changed).as_bytes(), Reading::Decimal);
            let query = file.ok().and_then(|v| crown_query::read("c", &v).ok()).filter(|q| matches!(q.check(), Judgement::Accepted(_)));
            tally.count(&place, query.is_some());
            assert!(query.is_none_or(|q| is_true(&q, &mut random)), "{place} was changed, accepted, and false: {}", text(&changed));
        }
    }
    println!("{tally:#?}");
    assert!(tally.tried > 1500 && tally.total() > 50 && tally.total() * 2 < tally.tried, "{tally:?}");
    for never in ["format", "input_dim", "layers[].kind", "query"] {
        assert_eq!(tally.accepted.get(never), None, "{never}");
    }
}

fn query_of(domain: &[(Decimal, Decimal)], disjuncts: Vec<Vec<Constraint>>) -> Query {
    let ranges = domain.iter().map(|(low, high)| DecimalRange { low: low.clone(), high: high.clone() }).collect();
    let case = Case { region: Region { ranges, cuts: vec![] }, disjuncts: Arc::new(disjuncts) };
    Query { networks: vec![], legacy: true, cases: vec![case], notes: vec![] }
}

/// A certificate that outputs of a random network stay below some bounds, where that can be proved.
fn random_certificate(random: &mut Random) -> Option<String> {
    let inputs = 2;
    let graph = oracle::network(random, inputs, 2);
    let domain = oracle::domain(random, inputs);
    let below = |output: usize, bound: i64| {
        vec![Constraint { terms: vec![(inputs + output, Decimal::ONE)], constant: Decimal::from(-bound), strict: false }]
    };
    let query = query_of(&domain, vec![below(0, 6), below(1, 9)]);
    prove::write(&graph, &query).ok()
}

#[test]
fn written_certificates_are_accepted_and_open_queries_are_not_written() {
    let mut random = Random::new(3);
    let (mut proved, mut open) = (0, 0);
    for _ in 0..90 {
        let graph = oracle::network(&mut random, 2, 3);
        let Ok(chain) = extract::chain(&graph) else { continue };
        let domain = oracle::domain(&mut random, 2);
        let bound = Decimal::from((random.bits() % 12) as i64 - 3);
        let strict = random.bits().is_multiple_of(2);
        let query = query_of(&domain, vec![vec![Constraint { terms: vec![(2, Decimal::ONE)], constant: -&bound, strict }]]);
        let greatest = oracle::points(&domain, &mut random, 40).iter().map(|p| chain.evaluate(p)[0].clone()).max().expect("points");
        match prove::write(&graph, &query) {
            Ok(text) => {
                assert!(accepted(&text), "{text}");
                assert!(greatest < bound.to_rational() || strict && greatest == bound.to_rational());
                proved += 1;
            }
            Err(ExchangeError::NotProved(_)) => open += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(proved > 5 && open > 5, "{proved} {open}");
}

#[test]
fn deep_networks_stay_exact_without_numbers_that_explode() {
    let mut random = Random::new(8);
    let layers: Vec<String> = (0..10)
        .map(|_| {
            let mut third = || format!("\"{}/3\"", (random.bits() % 9) as i64 - 4);
            let row = |f: &mut dyn FnMut() -> String| format!("[{}]", (0..6).map(|_| f()).collect::<Vec<_>>().join(","));
            let rows = (0..6).map(|_| row(&mut third)).collect::<Vec<_>>().join(",");
            let halves = row(&mut || "\"1/2\"".into());
            format!(r#"{{"kind":"linear","weights":[{rows}],"bias":{}}},{{"kind":"relu","alpha":{halves}}}"#, row(&mut third))
        })
        .collect();
    let ones = |v: &str| format!("[{}]", vec![format!("\"{v}\""); 6].join(","));
    let text = format!(
        r#"{{"format":"crown_query_v1","input_dim":6,"input":{{"lo":{},"hi":{}}},"layers":[{}],"query":{{"weights":[{}],"bias":["-10000000"],"strict":true}}}}"#,
        ones("-1/7"),
        ones("1/7"),
        layers.join(","),
        ones("1")
    );
    let query = crown_query::read("c", &value(&text)).expect("readable");
    assert!(matches!(query.check(), Judgement::Accepted(_)), "{:?}", query.check());
    assert!(is_true(&query, &mut random));
}

#[test]
fn monotone_chains_are_accepted_and_others_not() {
    let judged = |text: &str| monotonicity::read("c", &value(text)).map(|c| monotonicity::check(&c));
    assert!(matches!(judged(MONOTONE), Ok(Judgement::Accepted(_))));
    let negative = MONOTONE.replace("\"0\"", "\"-1/1000000000000000000000\"");
    assert!(
        matches!(judged(&negative), Ok(Judgement::Rejected(why)) if why.contains("layers[0].weights[0][1] is -1/1000000000000000000000"))
    );
    let mut random = Random::new(6);
    let mut tally = Tally::default();
    for (place, changed) in all(&value(MONOTONE)) {
        let Ok(chain) = monotonicity::read("c", &value(&text(&changed))) else { continue };
        let accepted = matches!(monotonicity::check(&chain), Judgement::Accepted(_));
        tally.count(&place, accepted);
        assert!(!accepted || rises(&chain, &mut random), "{place}: {}", text(&changed));
    }
    assert!(tally.total() > 3, "{tally:?}");
    let chain = monotonicity::read("c", &value(MONOTONE)).expect("readable");
    assert_eq!(monotonicity::write(&chain).as_deref().map(str::trim), Ok(MONOTONE));
    let falling = Chain { layers: monotonicity::read("c", &value(&negative)).expect("readable").layers, ..chain };
    assert!(matches!(monotonicity::write(&falling), Err(ExchangeError::NotProved(_))));
}

/// Does raising inputs never lower an output, at random points?
fn rises(chain: &Chain, random: &mut Random) -> bool {
    let mut point = |n: usize, from: i64| -> Vec<RBig> { (0..n).map(|_| RBig::from((random.bits() % 40) as i64 + from)).collect() };
    (0..30).all(|_| {
        let (x, step) = (point(chain.inputs, -20), point(chain.inputs, 0));
        let higher: Vec<RBig> = x.iter().zip(&step).map(|(a, b)| a + b).collect();
        chain.evaluate(&x).iter().zip(chain.evaluate(&higher)).all(|(a, b)| *a <= b)
    })
}
