//! Verdicts and certificates about tiny networks, against trying all inputs.

use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::numerics::Random;
use engine::quantized::bounds::Range;
use engine::quantized::proof;
use engine::quantized::read::{network_to_json, query_to_json};
use engine::quantized::{Answer, Layer, Limits, Network, Query, Requantise, decide, first_maximum};

use crate::support::{checked, near_a_border, points, slow, tiny};

/// Every verdict on tiny networks is that of trying all inputs, ties and saturation included, and the checker accepts it.
#[test]
fn verdicts_are_those_of_all_inputs() {
    let (mut robust, mut vulnerable) = (0, 0);
    for seed in 0..600 {
        let mut random = Random::new(1000 + seed);
        let network = tiny(&mut random, seed as usize % 4);
        let image = near_a_border(&network, &mut random);
        let radius = 1 + (random.bits() % 4) as i64;
        let label = first_maximum(&slow(&network, &image));
        let query = Query::around(&network, &image, radius, label);
        let broken = points(&query.input).iter().any(|x| first_maximum(&slow(&network, x)) != label);
        let (answer, _) = decide(&network, &query, &Limits::default()).expect("a query about the network");
        match (&answer, broken) {
            (Answer::Robust(_), false) => robust += 1,
            (Answer::Vulnerable(x), true) if first_maximum(&slow(&network, x)) != label => vulnerable += 1,
            _ => panic!("seed {seed}: {answer:?}, but broken: {broken}"),
        }
        checked(&network, &query, &answer).expect("the checker accepts it");
    }
    assert!(robust > 100 && vulnerable > 100, "{robust} robust, {vulnerable} vulnerable");
}

/// Proofs with any field changed are rejected, or still about something true: the box is robust by brute force either way, so
/// the certificate is checked against queries that are *not* robust as well, where nothing may be accepted.
#[test]
fn changed_certificates_prove_nothing_false() {
    let (mut tried, mut accepted) = (0, 0);
    for seed in 0..60 {
        let mut random = Random::new(5000 + seed);
        let network = tiny(&mut random, 1 + seed as usize % 2);
        let image = near_a_border(&network, &mut random);
        let label = first_maximum(&slow(&network, &image));
        let verdict = |radius| {
            let query = Query::around(&network, &image, radius, label);
            let robust = points(&query.input).iter().all(|x| first_maximum(&slow(&network, x)) == label);
            (query, robust)
        };
        // The largest robust radius and the next one.
        let Some(radius) = (1..5).take_while(|r| verdict(*r).1).last().filter(|r| !verdict(r + 1).1) else { continue };
        let (query, next) = (verdict(radius).0, verdict(radius + 1).0);
        let (Answer::Robust(found), _) = decide(&network, &query, &Limits::default()).expect("fits") else { panic!("robust") };
        let (n, q) = (network_to_json(&network, None).expect("one shift per layer"), query_to_json(&next));
        let bytes = proof::certificate(&found, digest(n.as_bytes()), digest(q.as_bytes()));
        let mut refuse = |bytes: &[u8]| {
            tried += 1;
            if let Ok(Shown::Robust(_)) = integer::check(n.as_bytes(), q.as_bytes(), bytes) {
                accepted += 1;
            }
        };
        refuse(&bytes);
        for at in 0..bytes.len() {
            for change in [1u8, 2, 0x40, 0x80] {
                let mut other = bytes.clone();
                other[at] ^= change;
                refuse(&other);
            }
            refuse(&bytes[..at]);
        }
    }
    assert!(tried > 1000, "{tried}");
    assert_eq!(accepted, 0, "a box that is not robust was accepted");
}

/// Ties go to the first maximum, and outputs beyond the tenth count.
#[test]
fn ties_and_all_outputs_decide() {
    let identity = |outputs: usize, weights: Vec<i32>, bias: Vec<i64>| Layer {
        inputs: 1,
        outputs,
        weights,
        bias,
        requantise: vec![Requantise::shift(0, -20, 20)],
    };
    // Outputs 0 and 1 tie at x = 5 (saturation at 20 ties them above as well).
    let network = Network::new((0, 9), vec![identity(2, vec![1, 2], vec![5, 0])]).expect("well-formed");
    let ask = |label, low, high| decide(&network, &Query { input: vec![Range { low, high }], label }, &Limits::default()).expect("fits").0;
    assert!(matches!(ask(0, 0, 5), Answer::Robust(_)), "a tie goes to the first");
    assert_eq!(ask(0, 0, 6), Answer::Vulnerable(vec![6]));
    assert_eq!(ask(1, 5, 9), Answer::Vulnerable(vec![5]));
    // The twelfth of twelve outputs wins at x = 9.
    let bias = [vec![8], vec![-20; 10], vec![0]].concat();
    let network = Network::new((0, 9), vec![identity(12, [vec![0; 11], vec![1]].concat(), bias)]).expect("well-formed");
    let query = Query { input: vec![Range { low: 0, high: 9 }], label: 0 };
    assert_eq!(decide(&network, &query, &Limits::default()).expect("fits").0, Answer::Vulnerable(vec![9]));
}
