//! Proofs that a time limit leaves open in part: checkable, never taken for whole ones, gone on with; and the room that whole ones leave.

use std::time::{Duration, Instant};

use checker::certificate::Container;
use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::numerics::Random;
use engine::quantized::bounds::Range;
use engine::quantized::proof::{self, Proof, Record};
use engine::quantized::read::{network_to_json, query_to_json};
use engine::quantized::{Answer, Limits, Network, Query, decide, first_maximum, go_on};

use crate::support::{checked, near_a_border, points, sized, slow};

/// Small enough for trying all inputs of a small box.
const TINY: (&[usize], i64) = (&[3, 3, 3, 3], 3);
/// Large enough to need branching.
const BRANCHING: (&[usize], i64) = (&[6, 10, 6, 3], 20);

/// Robust queries about networks of these sizes of layers, with their proofs: the largest robust radius up to `most`.
fn robust(first: u64, count: u64, (sizes, most): (&'static [usize], i64)) -> impl Iterator<Item = (Network, Query, Proof)> {
    (first..first + count).filter_map(move |seed| {
        let mut random = Random::new(seed);
        let network = sized(&mut random, sizes);
        let image = near_a_border(&network, &mut random);
        let label = first_maximum(&slow(&network, &image));
        let ask = |radius| {
            let query = Query::around(&network, &image, radius, label);
            match decide(&network, &query, &Limits::default()).expect("a query about the network").0 {
                Answer::Robust(proof) => Some((network.clone(), query, proof)),
                _ => None,
            }
        };
        (1..=most).map_while(ask).last()
    })
}

/// Where the subtree that begins with a record ends.
fn end(records: &[Record], at: usize) -> usize {
    let (mut end, mut nodes) = (at, 1);
    while nodes > 0 {
        match records[end] {
            Record::Split { .. } => nodes += 1,
            Record::Tighten { .. } => {}
            _ => nodes -= 1,
        }
        end += 1;
    }
    end
}

/// Opens the subtree of a record.
fn open(records: &[Record], at: usize) -> Vec<Record> {
    [&records[..at], &[Record::Open], &records[end(records, at)..]].concat()
}

#[test]
fn a_part_is_accepted_as_a_part_and_gone_on_with_to_the_whole() {
    let (mut parts, mut inside) = (0, 0);
    for (network, query, whole) in robust(7000, 60, BRANCHING) {
        let mut part = whole.clone();
        let class = (0..part.classes.len()).max_by_key(|&i| part.classes[i].records.len()).expect("two classes");
        let records = &whole.classes[class].records;
        let at = records.len() / 2;
        part.classes[class].records = open(records, at);
        let Ok(Shown::Partly(accepted)) = checked(&network, &query, &Answer::Timeout(part.clone())) else { panic!("{part:?}") };
        assert!(accepted.proved < 1.0 && accepted.excluded == accepted.disjuncts - 1, "{accepted:?}");
        // Its bytes come back, and going on from them gives the whole, with everything that was there.
        let (n, q) = (network_to_json(&network, None).expect("one shift per layer"), query_to_json(&query));
        let bytes = proof::certificate(&part, digest(n.as_bytes()), digest(q.as_bytes()));
        let payload = Container::read(&bytes).expect("a certificate").payload;
        let begun = proof::read(payload, &network, query.label).expect("a proof");
        assert_eq!(begun, part);
        let answer = go_on(&network, &query, &Limits::default(), begun).expect("fits").0;
        assert!(matches!(checked(&network, &query, &answer), Ok(Shown::Robust(_))), "{answer:?}");
        let Answer::Robust(resumed) = answer else { panic!("robust") };
        assert_eq!(&resumed.classes[class].records[..at], &records[..at]);
        // Said to be whole, it is refused.
        let mut bold = bytes.clone();
        bold[14] = 0;
        assert!(integer::check(n.as_bytes(), q.as_bytes(), &bold).is_err());
        parts += 1;
        inside += u64::from(at > 0);
    }

    assert!(parts > 15 && inside > 1, "{parts} parts, {inside} of them inside a tree");
}

#[test]
fn parts_of_one_query_make_the_whole() {
    let mut splits = 0;
    for (network, query, whole) in robust(7000, 150, BRANCHING) {
        let mut parts = [whole.clone(), whole.clone()];
        for (i, class) in whole.classes.iter().enumerate() {
            let records = &class.records;
            match records.iter().position(|record| matches!(record, Record::Split { .. })) {
                // Each part lacks one half.
                Some(at) => {
                    splits += 1;
                    parts[0].classes[i].records = open(records, at + 1);
                    parts[1].classes[i].records = open(records, end(records, at + 1));
                }
                None => parts[i % 2].classes[i].records = open(records, 0),
            }
        }
        for [a, b] in [[0, 1], [1, 0]] {
            assert!(parts[a].is_open());
            let joined = parts[a].join(&parts[b]);
            assert_eq!(joined, whole);
            assert!(matches!(checked(&network, &query, &Answer::Robust(joined)), Ok(Shown::Robust(_))));
        }
    }
    assert!(splits > 2, "{splits}");
}

#[test]
fn a_time_limit_leaves_a_part() {
    let limits = Limits { started: Some(Instant::now()), timeout: Some(Duration::ZERO), ..Limits::default() };
    let mut left = 0;
    for (network, query, _) in robust(8000, 60, BRANCHING) {
        let (answer, _) = decide(&network, &query, &limits).expect("fits");
        match (checked(&network, &query, &answer), answer) {
            (Ok(Shown::Robust(_)), Answer::Robust(_)) => {}
            (Ok(Shown::Partly(accepted)), Answer::Timeout(part)) => {
                let open = part.classes.iter().filter(|class| class.is_open()).count();
                assert_eq!(accepted.disjuncts - accepted.excluded, open);
                // Without time it stays as it is, with time it becomes whole.
                let again = go_on(&network, &query, &limits, part.clone()).expect("fits").0;
                assert_eq!(again, Answer::Timeout(part.clone()));
                let answer = go_on(&network, &query, &Limits::default(), part).expect("fits").0;
                assert!(matches!(checked(&network, &query, &answer), Ok(Shown::Robust(_))));
                left += 1;
            }
            (shown, answer) => panic!("{shown:?} {answer:?}"),
        }
    }

    assert!(left > 3, "{left}");
}

/// What a part leaves open may hide a counterexample, and an open leaf is accepted in partial certificates only.
#[test]
fn a_part_of_a_query_that_fails_stays_a_part() {
    for (network, query, whole) in robust(9000, 60, TINY) {
        let wider = Query { input: query.input.iter().map(|r| Range { low: r.low, high: (r.high + 6).min(255) }).collect(), ..query };
        if points(&wider.input).iter().all(|x| first_maximum(&slow(&network, x)) == wider.label) {
            continue;
        }
        let nothing = whole.classes.iter().map(|c| proof::ClassProof { class: c.class, records: vec![Record::Open] }).collect();
        let part = Proof { shared: Vec::new(), classes: nothing };
        let shown = checked(&network, &wider, &Answer::Timeout(part.clone()));
        assert!(matches!(shown, Ok(Shown::Partly(accepted)) if accepted.proved == 0.0 && accepted.excluded == 0));
        assert!(matches!(go_on(&network, &wider, &Limits::default(), part).expect("fits").0, Answer::Vulnerable(_)));
    }
}

/// The room is true of every input of the box, and at times as large as can be.
#[test]
fn the_room_that_a_proof_leaves_is_there() {
    let (mut some, mut full) = (0, 0);
    for (network, query, whole) in robust(10_000, 120, TINY) {
        let (n, q) = (network_to_json(&network, None).expect("one shift per layer"), query_to_json(&query));
        let bytes = proof::certificate(&whole, digest(n.as_bytes()), digest(q.as_bytes()));
        let room = proof::room(n.as_bytes(), q.as_bytes(), &bytes).expect("a whole proof");
        let distance = |x: &Vec<i64>| {
            let y = slow(&network, x);
            let most = (0..y.len()).filter(|&c| c != query.label).map(|c| y[c]).max().expect("two classes");
            y[query.label] - most
        };
        let least = points(&query.input).iter().map(distance).min().expect("a point");
        assert!((0..=least).contains(&room), "{room} of {least}");
        some += usize::from(room > 0);
        full += usize::from(room == least && room > 0);
        let part = Proof {
            shared: Vec::new(),
            classes: whole.classes.iter().map(|c| proof::ClassProof { class: c.class, records: vec![Record::Open] }).collect(),
        };
        assert_eq!(proof::room(n.as_bytes(), q.as_bytes(), &proof::certificate(&part, digest(n.as_bytes()), digest(q.as_bytes()))), None);
    }
    assert!(some > 10 && full > 3, "{some} {full}");
}
