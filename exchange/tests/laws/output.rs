//! Certificates of output intervals.

use dashu::rational::RBig;
use engine::graph::Graph;
use engine::numerics::{Decimal, Random};
use exchange::json::{Reading, Value};
use exchange::lirpa::{self, NAMES, OutputIntervals, check, read, write};
use exchange::{Judgement, parse};

use super::mutations::{Tally, all, text};
use super::oracle;

fn value(text: &str) -> Value {
    parse("c", text.as_bytes(), Reading::Decimal).expect("JSON")
}

fn accepted(value: &Value) -> Option<(OutputIntervals, Graph)> {
    let certificate = read("c", value).ok()?;
    let graph = lirpa::network(&certificate.graph)?;
    matches!(check(&certificate, &graph), Ok(Judgement::Accepted(_))).then_some((certificate, graph))
}

/// Is every value at corners and random points within the result? Exactly where the network is rational.
fn is_true(certificate: &OutputIntervals, graph: &Graph, random: &mut Random) -> bool {
    let input = &certificate.input.1;
    let domain: Vec<(Decimal, Decimal)> = input.low.iter().zip(&input.high).map(|(l, h)| (l.exact.clone(), h.exact.clone())).collect();
    let (id, result) = &certificate.result;
    oracle::points(&domain, random, 8).iter().all(|point| {
        let rough = graph.evaluate_f64(&point.iter().map(|x| x.to_f64().value()).collect::<Vec<_>>());
        let exact = &oracle::values(graph, point)[*id];
        let slack = if exact.is_some() { RBig::ZERO } else { oracle::exact(1e-9) };
        let at = |i: usize| exact.as_ref().map_or_else(|| oracle::exact(rough[*id][i]), |v| v[i].clone());
        (0..result.len()).all(|i| {
            let (low, high) = (result.low[i].exact.to_rational(), result.high[i].exact.to_rational());
            low <= at(i) + &slack && at(i) - &slack <= high
        })
    })
}

#[test]
fn certificates_of_our_own_are_accepted_and_accepted_mutations_are_true() {
    let mut random = Random::new(31);
    let mut tally = Tally::default();
    for name in NAMES {
        let graph = lirpa::network(name).expect("known");
        let domain = oracle::domain(&mut random, graph.input_len());
        let own = value(&write(name, &graph, &domain).expect("proved"));
        assert!(accepted(&own).is_some(), "{name}: {}", text(&own));
        for (place, changed) in all(&own) {
            // As a user's file: through the text.
            let found = parse("c", text(&changed).as_bytes(), Reading::Decimal).ok().and_then(|v| accepted(&v));
            tally.count(&place, found.is_some());
            if let Some((certificate, graph)) = found {
                assert!(is_true(&certificate, &graph, &mut random), "{place} was changed, accepted, and false: {}", text(&changed));
            }
        }
    }
    println!("{tally:#?}");
    assert!(tally.tried > 700 && tally.total() > 50 && tally.total() * 2 < tally.tried, "{tally:?}");
    for never in ["graph", "input_box.dim", "input_box.id", "result.dim"] {
        assert_eq!(tally.accepted.get(never), None, "{never}");
    }
}
