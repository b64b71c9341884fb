//! Quantized networks against the published benchmark, an independent slow evaluation, and brute force on tiny networks.

use std::path::PathBuf;

use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::numerics::Random;
use engine::quantized::bounds::Range;
use engine::quantized::proof;
use engine::quantized::read::{self, network_to_json, query_to_json};
use engine::quantized::{Answer, Layer, Limits, Network, Query, Requantise, Rounding, decide, first_maximum};

/// The folder of the benchmark's files, if it is there.
fn data() -> Option<PathBuf> {
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from);
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let walked = above.ancestors().map(|a| a.join("shared")).find(|s| s.is_dir());
    let folder = named.or(walked)?.join("data/qnn");
    folder.is_dir().then_some(folder)
}

fn benchmark(name: &str) -> Option<(Network, read::Images, Vec<u8>)> {
    let Some(folder) = data() else {
        eprintln!("SKIPPED: 1 test needs the shared data folder (data/qnn)");
        return None;
    };
    let short = name.trim_end_matches("-mnist");
    let start = if name == "mnist" { "mnist-t10k".to_owned() } else { format!("{short}-t10k-first1000") };
    let network = read::read_network(&folder.join(format!("{name}_mlp.h5"))).expect("readable");
    let images = read::read_images(&folder.join(format!("{start}-images-idx3-ubyte.gz"))).expect("readable");
    Some((network, images, read::read_labels(&folder.join(format!("{start}-labels-idx1-ubyte.gz"))).expect("readable")))
}

/// Evaluation once more, from the formula with an exact quotient in rationals of 128 bits; nothing shared with the engine.
fn slow(network: &Network, x: &[i64]) -> Vec<i64> {
    let mut h: Vec<i128> = x.iter().map(|&v| v as i128).collect();
    for layer in network.layers() {
        let mut next = Vec::new();
        for o in 0..layer.outputs {
            let mut a = layer.bias[o] as i128;
            for i in 0..layer.inputs {
                a += layer.weights[o * layer.inputs + i] as i128 * h[i];
            }
            next.push(slow_staircase(&layer.requantise[if layer.requantise.len() == 1 { 0 } else { o }], a));
        }
        h = next;
    }
    h.into_iter().map(|v| v as i64).collect()
}

/// The nearest integers are found by counting, and the mode picks among them.
fn slow_staircase(s: &Requantise, a: i128) -> i128 {
    let (n, d) = (a * s.multiplier as i128, 1i128 << s.shift);
    let down = if n >= 0 { n / d } else { -((-n + d - 1) / d) };
    let (to_down, to_up) = (n - down * d, (down + 1) * d - n);
    let exact = to_down == 0;
    let nearest = |tie: i128| {
        if to_down < to_up {
            down
        } else if to_up < to_down {
            down + 1
        } else {
            tie
        }
    };
    let rounded = match s.rounding {
        Rounding::Floor => down,
        Rounding::TowardZero => {
            if n < 0 && !exact {
                down + 1
            } else {
                down
            }
        }
        Rounding::HalfUp => nearest(down + 1),
        Rounding::HalfDown => nearest(down),
        Rounding::HalfEven => nearest(if down % 2 == 0 { down } else { down + 1 }),
        Rounding::HalfAway => nearest(if n > 0 { down + 1 } else { down }),
    };
    (rounded + s.offset as i128).max(s.low as i128).min(s.high as i128)
}

const MNIST_0: [i64; 64] = [
    17, 0, 0, 0, 0, 4, 0, 0, 0, 0, 11, 5, 39, 63, 0, 63, 0, 0, 0, 0, 0, 24, 0, 6, 20, 63, 0, 5, 1, 29, 0, 0, 0, 8, 63, 0, 0, 0, 0, 47, 0,
    47, 38, 0, 0, 0, 0, 0, 0, 63, 0, 0, 53, 33, 0, 63, 0, 0, 0, 63, 0, 63, 0, 0,
];

#[test]
fn evaluation_gives_the_reference_vectors() {
    let Some((network, images, labels)) = benchmark("mnist") else { return };
    let x = images.get(0).expect("there");
    let first = &network.layers()[0];
    let h = first.requantised(&first.accumulate(&x));
    assert_eq!(h, MNIST_0);
    let a = network.last().accumulate(&h);
    assert_eq!(a[..12], [-7087, -8352, -4601, -3655, -10500, -5472, -13189, 5876, -8510, -5937, -8283, -7595]);
    let outputs = network.evaluate(&x);
    assert_eq!((outputs[7], outputs.iter().filter(|o| **o == -32).count(), outputs.len()), (31, 31, 32));
    let right = (0..images.count()).filter(|&i| first_maximum(&network.evaluate(&images.get(i).expect("there"))) == labels[i] as usize);
    assert_eq!(right.count(), 9708);

    let Some((network, images, _)) = benchmark("fashion-mnist") else { return };
    let x = images.get(0).expect("there");
    let first = &network.layers()[0];
    let a = network.last().accumulate(&first.requantised(&first.accumulate(&x)));
    assert_eq!(a[..10], [-6653, -6022, -5071, -5043, -4621, -305, -4222, -110, -2560, 1551]);
    assert_eq!([5, 7, 9].map(|o| network.evaluate(&x)[o]), [-10, -3, 31]);
}

/// The published networks with another rounding mode are other functions: each mode must be told apart by evaluation.
#[test]
fn another_rounding_mode_gives_other_values() {
    let Some((network, images, _)) = benchmark("fashion-mnist") else { return };
    for rounding in [Rounding::Floor, Rounding::TowardZero, Rounding::HalfDown, Rounding::HalfEven, Rounding::HalfAway] {
        for changed in 0..2 {
            let mut layers = network.layers().to_vec();
            layers[changed].requantise[0].rounding = rounding;
            let other = Network::new((0, 255), layers).expect("well-formed");
            let differs = |i: usize| {
                let x = images.get(i).expect("there");
                let of = |n: &Network| {
                    let h = n.layers()[0].requantised(&n.layers()[0].accumulate(&x));
                    let a = n.last().accumulate(&h);
                    (h, n.last().requantised(&a))
                };
                of(&network) != of(&other)
            };
            // On non-negative accumulators some modes agree; a half between them is rare.
            let told_apart = (0..1000).any(differs);
            let same_on_hidden = changed == 0 && rounding == Rounding::HalfAway;
            assert!(told_apart || same_on_hidden, "{rounding:?} in layer {changed}");
        }
    }
}

#[test]
fn evaluation_agrees_with_the_slow_one_on_random_inputs() {
    let mut networks: Vec<Network> = (0..40).map(|seed| tiny(&mut Random::new(seed), 1 + seed as usize % 3)).collect();
    networks.extend(["mnist", "fashion-mnist"].iter().filter_map(|name| benchmark(name)).map(|(n, ..)| n));
    for network in &networks {
        let mut random = Random::new(7);
        for _ in 0..if network.inputs() > 100 { 10_000 / 4 } else { 10_000 } {
            let x: Vec<i64> = (0..network.inputs()).map(|_| (random.bits() >> 56) as i64).collect();
            assert_eq!(network.evaluate(&x), slow(network, &x));
        }
    }
}

/// A random small network with the given number of hidden layers; inputs are bytes.
fn tiny(random: &mut Random, hidden: usize) -> Network {
    let mut below = |n: u64| (random.bits() % n) as i64;
    let sizes: Vec<usize> = (0..hidden + 2).map(|k| if k <= hidden { 2 + below(3) as usize } else { 3 }).collect();
    let mut layers = Vec::new();
    for k in 0..=hidden {
        let (inputs, outputs) = (sizes[k], sizes[k + 1]);
        let rounding = Rounding::ALL[below(6) as usize].0;
        let count = if below(2) == 0 { 1 } else { outputs };
        let (low, high) = if k == hidden { (-40, 39) } else { [(0, 15), (-4, 9), (0, 7)][below(3) as usize] };
        let (shift, offset) = (if k == 0 { 5 } else { 1 }, below(3) - 1);
        let requantise = (0..count).map(|_| Requantise { multiplier: 1 + below(4), shift, rounding, offset, low, high }).collect();
        layers.push(Layer {
            inputs,
            outputs,
            weights: (0..inputs * outputs).map(|_| below(15) as i32 - 7).collect(),
            bias: (0..outputs).map(|_| below(200) - 100).collect(),
            requantise,
        });
    }
    Network::new((0, 255), layers).expect("well-formed")
}

/// An input near the border of two classes, if two random inputs have different ones.
fn near_a_border(network: &Network, random: &mut Random) -> Vec<i64> {
    let mut image = || (0..network.inputs()).map(|_| (random.bits() >> 56) as i64).collect::<Vec<i64>>();
    let class = |x: &[i64]| first_maximum(&slow(network, x));
    let (mut one, mut other) = (image(), image());
    for _ in 0..30 {
        if class(&one) != class(&other) {
            break;
        }
        other = image();
    }
    for _ in 0..8 {
        let middle: Vec<i64> = one.iter().zip(&other).map(|(a, b)| (a + b) / 2).collect();
        if class(&middle) == class(&one) { one = middle } else { other = middle }
    }
    one.iter().map(|v| (v + (random.bits() % 7) as i64 - 3).clamp(0, 255)).collect()
}

/// All inputs of a small box.
fn points(input: &[Range]) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for r in input {
        all = all.iter().flat_map(|p| (r.low..=r.high).map(move |v| [&p[..], &[v]].concat())).collect();
    }
    all
}

/// What the checker says about an answer.
fn checked(network: &Network, query: &Query, answer: &Answer) -> Result<Shown, String> {
    let (n, q) = (network_to_json(network, None), query_to_json(query));
    let (network_hash, query_hash) = (digest(n.as_bytes()), digest(q.as_bytes()));
    let bytes = match answer {
        Answer::Robust(found) => proof::certificate(found, network_hash, query_hash),
        Answer::Vulnerable(x) => proof::witness(x, network_hash, query_hash),
        Answer::Timeout => return Err("timeout".into()),
    };
    integer::check(n.as_bytes(), q.as_bytes(), &bytes).map_err(|fault| fault.reason)
}

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
        let (n, q) = (network_to_json(&network, None), query_to_json(&next));
        let bytes = proof::certificate(&found, digest(n.as_bytes()), digest(q.as_bytes()));
        let mut refuse = |bytes: &[u8]| {
            tried += 1;
            if let Ok(Shown::Robust { .. }) = integer::check(n.as_bytes(), q.as_bytes(), bytes) {
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

/// The benchmark's corner cases, with certificates; and proofs do not carry over to a radius at which they are false.
#[test]
fn corner_cases_of_the_benchmark() {
    let cases = [
        ("mnist", 115, 2, false),
        ("mnist", 119, 2, true),
        ("fashion-mnist", 246, 3, true),
        ("fashion-mnist", 338, 4, false),
        ("fashion-mnist", 73, 1, false),
    ];
    for (name, id, eps, robust) in cases {
        let Some((network, images, labels)) = benchmark(name) else { return };
        let query = Query::around(&network, &images.get(id).expect("there"), eps, labels[id] as usize);
        let (answer, _) = decide(&network, &query, &Limits::default()).expect("fits");
        assert_eq!(matches!(answer, Answer::Robust(_)), robust, "{name} {id}");
        checked(&network, &query, &answer).expect("accepted");
    }
}

/// A proof for one radius does not pass for the next one where that is not robust, though its hashes be made to fit.
#[test]
fn proofs_do_not_carry_over_to_the_next_radius() {
    let mut rejected = 0;
    for (name, ids, eps) in [("mnist", 200..300, 3), ("fashion-mnist", 100..150, 2)] {
        let Some((network, images, labels)) = benchmark(name) else { return };
        let n = network_to_json(&network, None);
        for id in ids {
            let (image, label) = (images.get(id).expect("there"), labels[id] as usize);
            if first_maximum(&network.evaluate(&image)) != label {
                continue;
            }
            let query = |radius| Query::around(&network, &image, radius, label);
            let answer = |radius| decide(&network, &query(radius), &Limits::default()).expect("fits").0;
            if let (Answer::Robust(found), Answer::Vulnerable(_)) = (answer(eps), answer(eps + 1)) {
                let next = query_to_json(&query(eps + 1));
                let bytes = proof::certificate(&found, digest(n.as_bytes()), digest(next.as_bytes()));
                assert!(integer::check(n.as_bytes(), next.as_bytes(), &bytes).is_err(), "{name} {id}");
                rejected += 1;
            }
        }
    }
    assert!(rejected > 3, "{rejected}");
}

/// Cut-off and changed weight files give errors, never a panic; both readers agree on what they take.
#[test]
fn damaged_weight_files_are_refused() {
    let Some(folder) = data() else { return };
    let good = std::fs::read(folder.join("mnist_mlp.h5")).expect("readable");
    let path = std::path::Path::new("damaged.h5");
    let refused = |bytes: &[u8]| (read::network_from_bytes(bytes, path).is_err(), integer::Network::read(bytes).is_err());
    assert_eq!(refused(&good), (false, false));
    for length in (0..good.len()).step_by(997).chain(0..200) {
        assert_eq!(refused(&good[..length]), (true, true), "{length}");
    }
    let mut random = Random::new(3);
    let mut errors = 0;
    for _ in 0..1500 {
        let mut bad = good.clone();
        for _ in 0..1 + random.bits() % 3 {
            // The structure lies in the first bytes and between the arrays.
            let at = random.bits() as usize % if random.bits().is_multiple_of(2) { 0x2800 } else { bad.len() };
            bad[at] = random.bits() as u8;
        }
        errors += usize::from(refused(&bad).0);
    }
    assert!(errors > 20, "{errors}");
}

/// npz and JSON files of the same network are the same network; damaged ones are refused.
#[test]
fn files_of_integers_come_back() {
    let path = std::path::Path::new("net");
    let network = tiny(&mut Random::new(12), 2);
    let text = network_to_json(&network, None);
    assert_eq!(read::network_from_bytes(text.as_bytes(), path).expect("readable"), network);
    for length in 0..text.len() - 2 {
        assert!(read::network_from_bytes(&text.as_bytes()[..length], path).is_err(), "{length}");
        assert!(integer::Network::read(&text.as_bytes()[..length]).is_err(), "{length}");
    }
    let zip = npz(&network);
    assert_eq!(read::network_from_bytes(&zip, path).expect("readable"), network);
    for length in 0..zip.len() {
        assert!(read::network_from_bytes(&zip[..length], path).is_err(), "{length}");
    }
    let mut random = Random::new(4);
    for _ in 0..3000 {
        let mut bad = zip.clone();
        let at = random.bits() as usize % bad.len();
        bad[at] = random.bits() as u8;
        let _ = read::network_from_bytes(&bad, path);
    }
}

/// A stored (not deflated) npz, as numpy.savez writes it.
fn npz(network: &Network) -> Vec<u8> {
    let (low, high) = network.input_range();
    let mut arrays = vec![("input".to_owned(), vec![2], vec![low, high])];
    for (k, layer) in network.layers().iter().enumerate() {
        let weights = layer.weights.iter().map(|&w| i64::from(w)).collect();
        arrays.push((format!("layers.{k}.weight"), vec![layer.outputs, layer.inputs], weights));
        arrays.push((format!("layers.{k}.bias"), vec![layer.outputs], layer.bias.clone()));
        let mode = |r: &Requantise| Rounding::ALL.iter().position(|(m, _)| *m == r.rounding).expect("a mode") as i64;
        let row = |r: &Requantise| [r.multiplier, r.shift.into(), mode(r), r.offset, r.low, r.high];
        let rows: Vec<i64> = layer.requantise.iter().flat_map(row).collect();
        arrays.push((format!("layers.{k}.requantise"), vec![layer.requantise.len(), 6], rows));
    }
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, shape, data) in &arrays {
        let sizes: String = shape.iter().map(|s| format!("{s}, ")).collect();
        let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({sizes}), }}\n");
        let mut member = b"\x93NUMPY\x01\x00".to_vec();
        member.extend((header.len() as u16).to_le_bytes());
        member.extend(header.as_bytes());
        data.iter().for_each(|v| member.extend(v.to_le_bytes()));
        let (file, size) = (format!("{name}.npy"), (member.len() as u32).to_le_bytes());
        let length = (file.len() as u16).to_le_bytes();
        let offset = (bytes.len() as u32).to_le_bytes();
        bytes.extend([b"PK\x03\x04".as_slice(), &[0; 14], &size, &size, &length, &[0, 0], file.as_bytes(), &member].concat());
        directory.extend([b"PK\x01\x02".as_slice(), &[0; 16], &size, &size, &length, &[0; 12], &offset, file.as_bytes()].concat());
    }
    let (start, count) = ((bytes.len() as u32).to_le_bytes(), (arrays.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    bytes.extend([&directory[..], b"PK\x05\x06", &[0; 4], &count, &count, &size, &start, &[0, 0]].concat());
    bytes
}
