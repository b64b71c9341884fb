//! Per-node certificates.

use dashu::rational::RBig;
use engine::graph::Graph;
use engine::numerics::{Decimal, Numbers, Random};
use engine::ops::{Bilinear, Curve, Dense, Operation, Relu, Sigmoid, Softmax, Tanh};
use exchange::json::{Field, Number, Reading, Value};
use exchange::nodes::{self, Claims, Domain, Kind, inside, judge, write};
use exchange::{Judgement, parse};

use super::mutations::{Tally, all, text};
use super::oracle;

/// Does every claim hold at the point, exactly? Nodes without an exact value are compared in doubles, with a tolerance.
fn holds_at(graph: &Graph, claims: &Claims, point: &[RBig]) -> Result<(), String> {
    let approximate: Vec<f64> = point.iter().map(|x| x.to_f64().value()).collect();
    let rough = graph.evaluate_f64(&approximate);
    let exact = oracle::values(graph, point);
    let input = claims.input.map(|id| exact[id].clone().expect("an input"));
    for (id, claim) in claims.nodes.iter().enumerate() {
        for o in 0..graph.nodes[id].len() {
            let value = match &exact[id] {
                Some(values) => values[o].clone(),
                None => oracle::exact(rough[id][o]),
            };
            let slack = if exact[id].is_some() { RBig::ZERO } else { oracle::exact(1e-9 * (1.0 + rough[id][o].abs())) };
            let within = |low: RBig, high: RBig| low <= &value + &slack && &value - &slack <= high;
            if let Some(ends) = &claim.ends
                && !within(ends.low[o].exact.to_rational(), ends.high[o].exact.to_rational())
            {
                return Err(format!("node {id}, element {o}: interval"));
            }
            if let (Some(forms), Some(x)) = (&claim.forms, &input) {
                let at = |side: &nodes::Lines| {
                    let row = &side.coefficients[o * x.len()..][..x.len()];
                    row.iter().zip(x).fold(side.constants[o].exact.to_rational(), |sum, (c, v)| sum + c.exact.to_rational() * v)
                };
                if !within(at(&forms.low), at(&forms.high)) {
                    return Err(format!("node {id}, element {o}: functions"));
                }
            }
        }
    }
    Ok(())
}

/// The inputs that claims are about: the claimed intervals of the input nodes.
fn claimed_domain(graph: &Graph, claims: &Claims) -> Option<Domain> {
    let mut domain = Domain::new();
    for &id in &graph.inputs {
        for i in 0..graph.nodes[id].len() {
            let (low, high) = claims.exact(id, i)?;
            domain.push((low.clone(), high.clone()));
        }
    }
    Some(domain)
}

fn read_claims(value: &Value, graph: &Graph) -> Claims {
    nodes::claims(&Field::top("c", value), graph).expect("readable")
}

fn read(text: &str) -> Value {
    parse("c", text.as_bytes(), Reading::Decimal).expect("JSON")
}

/// A network with every kind of rule.
fn varied() -> Graph {
    let mut graph = oracle::network(&mut Random::new(9), 2, 1);
    let mut add = |operation: Operation, operands: &[usize], n: usize| graph.add("node", operation, operands, &[n]).expect("fits");
    let relu = add(Operation::Scalar(Box::new(Relu)), &[1], 2);
    let sigmoid = add(Operation::Scalar(Box::new(Curve(Sigmoid))), &[1], 2);
    let tanh = add(Operation::Scalar(Box::new(Curve(Tanh))), &[1], 2);
    let softmax = add(Operation::General(Box::new(Softmax::new(&[2], 0).expect("fits"))), &[relu], 2);
    let product = add(Operation::General(Box::new(Bilinear::product(&[2], &[2]).expect("fits"))), &[sigmoid, tanh], 2);
    let again = add(Operation::General(Box::new(Bilinear::product(&[2], &[2]).expect("fits"))), &[product, softmax], 2);
    let head = Dense::new("Gemm", 2, 1, Numbers::F64(vec![1.5, -0.5]), Some(Numbers::F64(vec![0.1]))).expect("fits");
    let head = add(Operation::Affine(Box::new(head)), &[again], 1);
    graph.outputs = vec![head];
    graph
}

#[test]
fn certificates_of_our_own_are_accepted_and_true() {
    let mut random = Random::new(1);
    for trial in 0..40 {
        let graph = if trial % 8 == 0 { varied() } else { oracle::network(&mut random, 2 + trial % 2, 1 + trial % 4) };
        let domain = oracle::domain(&mut random, graph.input_len());
        for kind in [Kind::Intervals, Kind::Alpha, Kind::AlphaBeta] {
            let value = read(&write(&graph, &domain, kind, false).expect("proved"));
            let judgement = judge("c", &value, kind, &graph, Some(&domain), None).expect("readable");
            assert!(matches!(judgement, Judgement::Accepted(_)), "{judgement:?}");
            let claims = read_claims(&value, &graph);
            assert!(claims.nodes.iter().all(|n| n.ends.is_some() && (kind == Kind::Intervals || n.forms.is_some())));
            for point in oracle::points(&domain, &mut random, 10) {
                holds_at(&graph, &claims, &point).expect("an accepted claim is true");
            }
        }
    }
}

#[test]
fn affine_functions_keep_dependence_that_intervals_lose() {
    // y = x - x, and relu(x) + relu(-x) on [-1, 1].
    let text = |layers: &str| format!(r#"{{"nodes":[{{"id":0,"parents":[],"kind":"input","outShape":[1]}},{layers}]}}"#);
    let graph = |t: &str| nodes::graph::read(&Field::top("g", &read(&text(t)))).expect("a graph");
    let domain = vec![(Decimal::from(-1), Decimal::ONE)];
    let width = |graph: &Graph, kind| {
        let claims = read_claims(&read(&write(graph, &domain, kind, false).expect("proved")), graph);
        let last = claims.nodes.last().and_then(|n| n.ends.clone()).expect("claimed");
        (&last.high[0].exact - &last.low[0].exact).to_f64()
    };
    let difference = graph(r#"{"id":1,"parents":[0,0],"kind":"sub","outShape":[1]}"#);
    assert_eq!((width(&difference, Kind::Intervals), width(&difference, Kind::Alpha)), (4.0, 0.0));
    let hat = graph(
        r#"{"id":1,"parents":[0],"kind":"linear","outShape":[2],"weight":[[1],[-1]],"bias":[0,0]},
        {"id":2,"parents":[1],"kind":"relu","outShape":[2]},{"id":3,"parents":[2],"kind":"linear","outShape":[1],"weight":[[1,1]]}"#,
    );
    assert_eq!((width(&hat, Kind::Intervals), width(&hat, Kind::Alpha)), (2.0, 1.0));
}

/// Every change of a certificate with its network inside that is accepted states something true.
fn accepted_changes_are_true(graph: &Graph, domain: &Domain, kind: Kind, tally: &mut Tally) {
    let mut random = Random::new(5);
    let good = read(&write(graph, domain, kind, true).expect("proved"));
    let verdict = |value: &Value| -> Option<(Graph, Domain, Claims)> {
        // As a user's file: through the text.
        let value = parse("c", text(value).as_bytes(), Reading::Decimal).ok()?;
        let (graph, stated) = inside("c", &value).ok()??;
        let judgement = judge("c", &value, kind, &graph, stated.as_ref(), None).ok()?;
        let claims = matches!(judgement, Judgement::Accepted(_)).then(|| read_claims(&value, &graph))?;
        let domain = claimed_domain(&graph, &claims).or(stated)?;
        Some((graph, domain, claims))
    };
    assert!(verdict(&good).is_some(), "the unchanged certificate is accepted");
    for (place, changed) in all(&good) {
        let accepted = verdict(&changed);
        tally.count(&place, accepted.is_some());
        let Some((graph, domain, claims)) = accepted else { continue };
        for point in oracle::points(&domain, &mut random, 6) {
            if let Err(problem) = holds_at(&graph, &claims, &point) {
                panic!("{place} was changed, accepted, and {problem} is false: {}", text(&changed));
            }
        }
    }
}

#[test]
fn accepted_mutations_state_something_true() {
    let mut random = Random::new(2);
    let mut tally = Tally::default();
    for trial in 0..3 {
        let graph = oracle::network(&mut random, 2, 2 + trial % 2);
        let domain = oracle::domain(&mut random, 2);
        for kind in [Kind::Intervals, Kind::AlphaBeta] {
            accepted_changes_are_true(&graph, &domain, kind, &mut tally);
        }
    }
    println!("{tally:#?}");
    assert!(tally.tried > 3000 && tally.total() > 100 && tally.total() * 2 < tally.tried, "{tally:?}");
    // Wider claims stay true; the network may change where its claims still follow.
    assert!(tally.accepted.contains_key("ibp[].lo[]") && tally.accepted.contains_key("crown[].hiC[]"));
    for never in ["format", "graph.nodes[].id", "ctx.inputId", "ctx.inputDim"] {
        assert_eq!(tally.accepted.get(never), None, "{never}");
    }
}

#[test]
fn accepted_mutations_about_smooth_functions_and_products_state_something_true() {
    let (graph, mut random, mut tally) = (varied(), Random::new(12), Tally::default());
    let domain = vec![(Decimal::from(-1), Decimal::ONE); 2];
    let good = read(&write(&graph, &domain, Kind::AlphaBeta, false).expect("proved"));
    for (place, changed) in all(&good) {
        let value = parse("c", text(&changed).as_bytes(), Reading::Decimal).ok();
        let accepted = value.filter(|v| matches!(judge("c", v, Kind::AlphaBeta, &graph, None, None), Ok(Judgement::Accepted(_))));
        tally.count(&place, accepted.is_some());
        let Some(value) = accepted else { continue };
        let claims = read_claims(&value, &graph);
        let Some(domain) = claimed_domain(&graph, &claims) else { continue };
        for point in oracle::points(&domain, &mut random, 6) {
            if let Err(problem) = holds_at(&graph, &claims, &point) {
                panic!("{place} was changed, accepted, and {problem} is false: {}", text(&value));
            }
        }
    }
    assert!(tally.tried > 1000 && tally.total() > 100 && tally.total() * 2 < tally.tried, "{tally:?}");
}

#[test]
fn slopes_phases_and_boxes_that_do_not_follow_are_rejected() {
    let graph = oracle::network(&mut Random::new(4), 2, 3);
    let domain = vec![(Decimal::from(-1), Decimal::ONE); 2];
    let good = read(&write(&graph, &domain, Kind::AlphaBeta, false).expect("proved"));
    let with = |change: &dyn Fn(&mut Claims)| {
        let mut claims = read_claims(&good, &graph);
        change(&mut claims);
        nodes::check(&graph, &claims)
    };
    let relu = graph.nodes.iter().position(|n| n.operation.name() == "Relu").expect("a ReLU");
    let one = |text: &str| Number::new(text.parse().expect("a number"));
    let refused = |change: &dyn Fn(&mut Claims), words: &str| {
        let problem = with(change).expect_err("refused");
        assert!(problem.contains(words), "{problem}");
    };
    assert_eq!(with(&|_| ()), Ok(()));
    refused(&|c| c.nodes[relu].alpha.as_mut().expect("slopes")[0] = one("1.2"), "is not in [0, 1]");
    refused(&|c| c.nodes[relu].alpha.as_mut().expect("slopes")[0] = one("-1e-300"), "is not in [0, 1]");
    let unstable = (0..3).find(|&i| c_is_unstable(&read_claims(&good, &graph), graph.nodes[relu].inputs[0], i)).expect("an unstable ReLU");
    refused(&|c| c.nodes[relu].beta.as_mut().expect("phases")[unstable] = 1, "says active");
    refused(&|c| c.nodes[relu].beta.as_mut().expect("phases")[unstable] = -1, "says inactive");
    refused(&|c| c.nodes[1].alpha = Some(vec![Number::ZERO; 3]), "belong to ReLU nodes");
    refused(&|c| c.nodes[1].ends = None, "no interval of the operand is claimed");
    refused(&|c| (c.nodes[1].ends, c.nodes[relu].beta) = (None, None), "cannot be derived");
    let smaller = vec![(Decimal::from(-2), Decimal::ONE); 2];
    assert!(nodes::covers(&graph, &read_claims(&good, &graph), &smaller).expect_err("refused").contains("input element 0"));
}

fn c_is_unstable(claims: &Claims, id: usize, i: usize) -> bool {
    claims.exact(id, i).is_some_and(|(l, u)| l.sign() < 0 && u.sign() > 0)
}

#[test]
fn exact_ties_are_decided_exactly() {
    // 0.1 + 0.2 = 0.3 in decimals; in doubles neither the sum nor the ends are exact.
    let graph = nodes::graph::read(&Field::top(
        "g",
        &read(
            r#"{"nodes":[{"id":0,"parents":[],"kind":"input","outShape":[2]},
            {"id":1,"parents":[0],"kind":"linear","outShape":[1],"weight":[[1,1]],"bias":[0]}]}"#,
        ),
    ))
    .expect("a graph");
    let judged = |low: &str, high: &str| {
        let text = format!(r#"{{"ibp":[{{"lo":[0.1,0.2],"hi":[0.1,0.2]}},{{"lo":[{low}],"hi":[{high}]}}]}}"#);
        matches!(judge("c", &read(&text), Kind::Intervals, &graph, None, None), Ok(Judgement::Accepted(_)))
    };
    assert!(judged("0.3", "0.3"));
    assert!(!judged("0.3", "0.29999999999999999999999999999"));
    assert!(!judged("0.30000000000000000000000000001", "0.4"));
}
