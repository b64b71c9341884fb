//! Networks, queries, a slow evaluation and the checker.

use std::path::PathBuf;

use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::numerics::Random;
use engine::quantized::bounds::Range;
use engine::quantized::proof;
use engine::quantized::read::{self, network_to_json, query_to_json};
use engine::quantized::{Answer, Layer, Network, Query, Requantise, Rounding, first_maximum};

/// The folder of the benchmark's files, if it is there.
pub fn data() -> Option<PathBuf> {
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from);
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let walked = above.ancestors().map(|a| a.join("shared")).find(|s| s.is_dir());
    let folder = named.or(walked)?.join("data/qnn");
    folder.is_dir().then_some(folder)
}

pub fn benchmark(name: &str) -> Option<(Network, read::Images, Vec<u8>)> {
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
pub fn slow(network: &Network, x: &[i64]) -> Vec<i64> {
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
pub fn slow_staircase(s: &Requantise, a: i128) -> i128 {
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

/// A random small network with the given number of hidden layers; inputs are bytes.
pub fn tiny(random: &mut Random, hidden: usize) -> Network {
    let sizes: Vec<usize> = (0..hidden + 2).map(|k| if k <= hidden { 2 + (random.bits() % 3) as usize } else { 3 }).collect();
    sized(random, &sizes)
}

/// A random network with these sizes of layers, the inputs' first.
pub fn sized(random: &mut Random, sizes: &[usize]) -> Network {
    let hidden = sizes.len() - 2;
    let mut below = |n: u64| (random.bits() % n) as i64;
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
pub fn near_a_border(network: &Network, random: &mut Random) -> Vec<i64> {
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
pub fn points(input: &[Range]) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for r in input {
        all = all.iter().flat_map(|p| (r.low..=r.high).map(move |v| [&p[..], &[v]].concat())).collect();
    }
    all
}

/// What the checker says about an answer.
pub fn checked(network: &Network, query: &Query, answer: &Answer) -> Result<Shown, String> {
    let (n, q) = (network_to_json(network, None).expect("one shift per layer"), query_to_json(query));
    let (network_hash, query_hash) = (digest(n.as_bytes()), digest(q.as_bytes()));
    let bytes = match answer {
        Answer::Robust(found) | Answer::Timeout(found) => proof::certificate(found, network_hash, query_hash),
        Answer::Vulnerable(x) => proof::witness(x, network_hash, query_hash),
    };
    integer::check(n.as_bytes(), q.as_bytes(), &bytes).map_err(|fault| fault.reason)
}
