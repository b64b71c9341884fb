//! Evaluation, bit for bit: the published vectors, and an independent slow evaluation on random inputs of every network.

use std::path::Path;

use engine::numerics::Random;
use engine::quantized::read::read_network;
use engine::quantized::{DenseFloats, FixedPoint, Layer, Network, Query, first_maximum};

use crate::support::{benchmark, slow, tiny};

/// Random inputs per network.
const INPUTS: usize = 10_000;

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

/// The format of Henzinger, Lechner and Zikelic once more, from the paper: weights with `bits - 1` fractional bits, values with
/// `bits - 2`, inputs with `input`. Nothing but weights and biases is taken from the engine.
#[derive(Clone, Copy)]
struct Format {
    bits: u32,
    input: u32,
}

/// What evaluation must not be: each is told apart by some input.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Right,
    Truncation,
    HalfDown,
    HalfEven,
}

/// Rules of rounding in the hidden layers and in the last.
const WRONG_ROUNDINGS: [(Rule, Rule); 6] = [
    (Rule::Truncation, Rule::Right),
    (Rule::HalfDown, Rule::Right),
    (Rule::HalfEven, Rule::Right),
    (Rule::Right, Rule::Truncation),
    (Rule::Right, Rule::HalfDown),
    (Rule::Right, Rule::HalfEven),
];

/// `a / 2^shift` to an integer, by quotient and remainder.
fn divided(a: i64, shift: u32, rule: Rule) -> i64 {
    let whole = 1i64 << shift;
    let (down, rest) = (a.div_euclid(whole), a.rem_euclid(whole));
    let up = match rule {
        Rule::Right => 2 * rest >= whole,
        Rule::Truncation => false,
        Rule::HalfDown => 2 * rest > whole,
        Rule::HalfEven => 2 * rest > whole || (2 * rest == whole && down % 2 != 0),
    };
    down + i64::from(up)
}

/// The layers' values after the first accumulators; the last are the outputs.
fn values_above(layers: &[Layer], format: Format, first: &[i64], (hidden, last): (Rule, Rule)) -> Vec<Vec<i64>> {
    let mut a = first.to_vec();
    let mut all: Vec<Vec<i64>> = Vec::new();
    for (k, layer) in layers.iter().enumerate() {
        if let Some(h) = all.last() {
            a = (0..layer.outputs)
                .map(|o| layer.bias[o] + (0..h.len()).map(|i| h[i] * i64::from(layer.weights[o * h.len() + i])).sum::<i64>())
                .collect();
        }
        let shift = if k == 0 { format.input + 1 } else { format.bits - 1 };
        let (rule, low, high) = match k + 1 == layers.len() {
            true => (last, -(1 << (format.bits - 1)), (1 << (format.bits - 1)) - 1),
            false => (hidden, 0, (1 << format.bits) - 1),
        };
        all.push(a.iter().map(|&a| divided(a, shift, rule).max(low).min(high)).collect());
    }
    all
}

/// `W x + b` of the first layer, input by input.
fn first_accumulators(columns: &[Vec<i32>], bias: &[i64], x: &[i64]) -> Vec<i64> {
    let mut sums = bias.to_vec();
    for (column, &x) in columns.iter().zip(x).filter(|(_, x)| **x != 0) {
        for (sum, &w) in sums.iter_mut().zip(column) {
            *sum += i64::from(w) * x;
        }
    }
    sums
}

/// The class by its definition: no output is larger, and none before is as large.
fn class(outputs: &[i64]) -> usize {
    let is_class = |&i: &usize| outputs.iter().enumerate().all(|(k, &o)| if k < i { o < outputs[i] } else { o <= outputs[i] });
    (0..outputs.len()).find(is_class).expect("there is a largest")
}

/// How many inputs told a wrong rule apart.
#[derive(Debug, Default)]
struct ToldApart {
    roundings: [usize; WRONG_ROUNDINGS.len()],
    last_maximum: usize,
    ten_outputs: usize,
}

/// Compares the engine with the slow evaluation on [`INPUTS`] random inputs: every hidden value, every output, the class.
fn compare(network: &Network, format: Format) -> ToldApart {
    let (layers, mut told, mut random) = (network.layers(), ToldApart::default(), Random::new(7));
    let first = &layers[0];
    let columns: Vec<Vec<i32>> =
        (0..first.inputs).map(|p| (0..first.outputs).map(|o| first.weights[o * first.inputs + p]).collect()).collect();
    let most = network.input_range().1 as u64;
    for round in 0..INPUTS {
        // Bright, dark and mostly black pictures: hidden values saturate on some and move on others.
        let (bright, black) = (1 + random.bits() % most, [0, 128, 200][round % 3]);
        let mut pixel = || if random.bits() % 256 < black { 0 } else { (random.bits() % (bright + 1)) as i64 };
        let x: Vec<i64> = (0..network.inputs()).map(|_| pixel()).collect();
        let sums = first_accumulators(&columns, &first.bias, &x);
        let right = values_above(layers, format, &sums, (Rule::Right, Rule::Right));
        let mut h = x.clone();
        for (layer, right) in layers.iter().zip(&right) {
            h = layer.requantised(&layer.accumulate(&h));
            assert_eq!(&h, right);
        }
        assert_eq!(network.evaluate(&x), h);
        let label = class(&h);
        assert_eq!(first_maximum(&h), label);
        let query = |label| Query::around(network, &x, 0, label);
        assert!(!query(label).is_broken_by(network, &x) && query((label + 1) % h.len()).is_broken_by(network, &x));
        for (count, wrong) in told.roundings.iter_mut().zip(WRONG_ROUNDINGS) {
            *count += usize::from(values_above(layers, format, &sums, wrong) != right);
        }
        let last = (0..h.len()).rev().max_by_key(|&i| (h[i], i)).expect("there are outputs");
        told.last_maximum += usize::from(last != label);
        told.ten_outputs += usize::from(h.len() > 10 && class(&h[..10]) != label);
    }
    assert!(told.roundings.iter().all(|&count| count > 0) && told.last_maximum > 0, "{told:?}");
    told
}

const BYTES: Format = Format { bits: 6, input: 8 };

#[test]
fn the_mnist_network_is_evaluated_bit_for_bit() {
    let Some((network, ..)) = benchmark("mnist") else { return };
    compare(&network, BYTES);
}

#[test]
fn the_fashion_network_is_evaluated_bit_for_bit() {
    let Some((network, ..)) = benchmark("fashion-mnist") else { return };
    compare(&network, BYTES);
}

#[test]
fn the_embedded_digits_network_is_evaluated_bit_for_bit() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/data/digits/quantized.json");
    compare(&read_network(&file).expect("readable"), Format { bits: 6, input: 4 });
}

/// A network of random weights and biases up to these sizes.
fn random_network(bits: u32, sizes: &[usize], reach: f32) -> Network {
    let mut random = Random::new(bits.into());
    let mut signed = |reach: f32| reach * ((random.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0);
    let layer = |size: &[usize]| DenseFloats {
        inputs: size[0],
        outputs: size[1],
        weights: (0..size[0] * size[1]).map(|_| signed(reach)).collect(),
        bias: (0..size[1]).map(|_| signed(1.0)).collect(),
    };
    let layers: Vec<DenseFloats> = sizes.windows(2).map(layer).collect();
    FixedPoint::bytes(bits).expect("bits").network(&layers).expect("well-formed")
}

/// In the published format and shape: on the published networks themselves no random input reaches a class above the ninth.
#[test]
fn all_of_thirty_two_outputs_count() {
    let told = compare(&random_network(6, &[784, 64, 32], 0.3), BYTES);
    assert!(told.ten_outputs > 0, "{told:?}");
}

/// In the format and shape of the trained ones.
fn three_layers(bits: u32) -> Network {
    random_network(bits, &[784, 64, 32, 10], 0.3)
}

#[test]
fn networks_of_three_layers_with_four_bits_are_evaluated_bit_for_bit() {
    compare(&three_layers(4), Format { bits: 4, input: 8 });
}

#[test]
fn networks_of_three_layers_with_six_bits_are_evaluated_bit_for_bit() {
    compare(&three_layers(6), BYTES);
}

#[test]
fn networks_of_three_layers_with_eight_bits_are_evaluated_bit_for_bit() {
    compare(&three_layers(8), Format { bits: 8, input: 8 });
}

/// Networks that `ironbound quantized train --data` wrote, named by IRONBOUND_NETWORKS (as PATH names folders).
#[test]
#[ignore = "needs IRONBOUND_NETWORKS, files of trained networks"]
fn trained_networks_are_evaluated_bit_for_bit() {
    let named = std::env::var_os("IRONBOUND_NETWORKS").expect("IRONBOUND_NETWORKS is set");
    for file in std::env::split_paths(&named) {
        let network = read_network(&file).expect("readable");
        let bits = (network.last().staircase(0).high + 1).trailing_zeros() + 1;
        println!("{} ({bits} bits): {:?}", file.display(), compare(&network, Format { bits, input: 8 }));
    }
}

/// Every rounding mode, multiplier, offset and range, against a rational evaluation.
#[test]
fn tiny_networks_with_every_rounding_mode_are_evaluated_bit_for_bit() {
    for seed in 0..40 {
        let network = tiny(&mut Random::new(seed), 1 + seed as usize % 3);
        let mut random = Random::new(7);
        for _ in 0..INPUTS {
            let x: Vec<i64> = (0..network.inputs()).map(|_| (random.bits() >> 56) as i64).collect();
            assert_eq!(network.evaluate(&x), slow(&network, &x));
        }
    }
}
