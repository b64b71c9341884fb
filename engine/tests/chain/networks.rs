//! Random chains and boxes, and the networks that a chain stands for: exact, as far off as allowed, or in binary32.

use engine::bounds::Deployed;
use engine::bounds::chain::{Chain, Layer};
use engine::numerics::Random;

use super::exact::{Dyadic, dot};

/// True once in `n`.
pub fn once_in(n: u64, random: &mut Random) -> bool {
    random.bits().is_multiple_of(n)
}

pub fn below(n: usize, random: &mut Random) -> usize {
    (random.bits() % n as u64) as usize
}

/// In `[-1, 1]`.
pub fn signed(random: &mut Random) -> f64 {
    2.0 * (random.bits() >> 11) as f64 / (1u64 << 53) as f64 - 1.0
}

pub fn pick<T: Copy>(from: &[T], random: &mut Random) -> T {
    from[below(from.len(), random)]
}

/// How the weights of a network are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    /// Small integers: margins of exactly zero are common.
    Integers,
    /// Of one size.
    Plain,
    /// Of sizes from tiny to huge, and zero.
    Wild,
}

pub fn weight(style: Style, random: &mut Random) -> f32 {
    let x = match style {
        Style::Integers => pick(&[-2.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0], random),
        Style::Plain => signed(random),
        Style::Wild => pick(&[0.0, 1e-42, 1e-20, 1e-3, 1.0, 1.0, 3e3, 1e9], random) * signed(random),
    };
    x as f32
}

/// What a random chain may be made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub inputs: usize,
    pub style: Style,
    /// Constants may be off by `bias_error`, and values may be inside affine blocks.
    pub folded: bool,
}

pub fn chain(shape: Shape, random: &mut Random) -> Chain<f32> {
    let hidden = pick(&[0, 1, 1, 2, 2, 2, 3, 3], random);
    let mut below_size = shape.inputs;
    let mut layers = Vec::new();
    for k in 0..=hidden {
        let neurons = 1 + below(if k == hidden { 3 } else { 8 }, random);
        layers.push(layer(shape, neurons, below_size, k == hidden, random));
        below_size = neurons;
    }
    Chain { inputs: shape.inputs, layers }
}

fn layer(shape: Shape, neurons: usize, below_size: usize, output: bool, random: &mut Random) -> Layer<f32> {
    let weights: Vec<f32> = (0..neurons * below_size).map(|_| weight(shape.style, random)).collect();
    let bias: Vec<f64> = (0..neurons)
        .map(|_| match shape.folded {
            true => weight(shape.style, random) as f64 * (1.0 + 1e-12 * signed(random)),
            false => weight(shape.style, random) as f64,
        })
        .collect();
    let hinges = [0.0, 0.0, 0.0, 0.25, 0.1, 1.0, -1.0];
    let slope: Vec<f32> = (0..neurons).map(|_| if output { 1.0 } else { pick(&hinges, random) }).collect();
    let folded = |size: f64, random: &mut Random| if shape.folded { size * pick(&[0.0, 0.0, 1e-15, 1e-6, 1e-2], random) } else { 0.0 };
    Layer {
        neurons,
        below: below_size,
        weights,
        bias_error: bias.iter().map(|b| folded(b.abs(), random)).collect(),
        bias_magnitude: bias.iter().map(|b| b.abs() * (1.0 + folded(100.0, random))).collect(),
        bias,
        terms: below_size + 1,
        joined: slope.iter().map(|&s| !output && s == 1.0 && shape.folded && once_in(2, random)).collect(),
        origin: vec![(0, 0); slope.len()],
        slope,
        // Right for any weights; worth while where most are zero.
        sparse: once_in(2, random),
    }
}

/// A box of `f32` numbers: points, narrow, wide, touching zero, or of denormal width.
pub fn sides(inputs: usize, random: &mut Random) -> (Vec<f32>, Vec<f32>) {
    let kind = below(6, random);
    let side = |random: &mut Random| {
        let middle = signed(random) as f32;
        match if once_in(6, random) { below(6, random) } else { kind } {
            0 => (middle, middle),
            1 => (middle, middle + middle.abs() * 1e-6),
            2 => (middle - 0.1, middle + 0.1),
            3 => (0.0, middle.abs()),
            4 => (-1e-44, pick(&[0.0, 1e-44, 1e-38], random)),
            _ => (-1.0, middle.abs()),
        }
    };
    (0..inputs).map(|_| side(random)).unzip()
}

/// A point of the box: corners, numbers of either type, zero.
pub fn point(low: &[f32], high: &[f32], random: &mut Random) -> Vec<f64> {
    let corner = once_in(3, random);
    let coordinate = |d: usize, random: &mut Random| {
        let (l, h) = (low[d] as f64, high[d] as f64);
        match below(if corner { 2 } else { 6 }, random) {
            0 => l,
            1 => h,
            2 => 0f64.clamp(l, h),
            3 => ((l + 0.5 * (1.0 + signed(random)) * (h - l)) as f32 as f64).clamp(l, h),
            _ => (l + 0.5 * (1.0 + signed(random)) * (h - l)).clamp(l, h),
        }
    };
    (0..low.len()).map(|d| coordinate(d, random)).collect()
}

/// What one network among those that the chain stands for does at one point.
#[derive(Clone, Debug)]
pub struct Sample {
    pub x: Vec<f64>,
    /// Pre-activations of the hidden layers, one after the other.
    pub pre: Vec<Dyadic>,
    pub outputs: Vec<Dyadic>,
}

/// A network that errs as much as the chain's constants and the deployed arithmetic allow, in directions at random.
pub fn adversary(chain: &Chain<f32>, deployed: Deployed, x: &[f64], random: &mut Random) -> Sample {
    let mut values: Vec<Dyadic> = x.iter().map(|&x| Dyadic::of(x)).collect();
    let mut sizes: Vec<Dyadic> = values.iter().map(Dyadic::abs).collect();
    let mut sample = Sample { x: x.to_vec(), pre: Vec::new(), outputs: Vec::new() };
    for (k, layer) in chain.layers.iter().enumerate() {
        let (mut now, mut now_sizes) = (Vec::new(), Vec::new());
        for j in 0..layer.neurons {
            let row = || layer.weights[j * layer.below..(j + 1) * layer.below].iter().map(|&w| w as f64);
            let magnitude = &dot(row().map(f64::abs), &sizes) + &Dyadic::of(layer.bias_magnitude[j]);
            let constant = &Dyadic::of(layer.bias[j]) + &Dyadic::of(pick(&[-1.0, 1.0], random) * layer.bias_error[j]);
            let exact = &dot(row(), &values) + &constant;
            let a = &exact + &deployed_error(layer, deployed, &magnitude, random);
            let slope = if a.sign() < 0 { layer.slope[j] as f64 } else { 1.0 };
            let h = &a * &Dyadic::of(slope);
            now_sizes.push(if layer.joined[j] && magnitude > h.abs() { magnitude } else { h.abs() });
            now.push(h);
            if k + 1 < chain.layers.len() { sample.pre.push(a) } else { sample.outputs.push(a) }
        }
        (values, sizes) = (now, now_sizes);
    }
    sample
}

fn deployed_error(layer: &Layer<f32>, deployed: Deployed, magnitude: &Dyadic, random: &mut Random) -> Dyadic {
    if deployed.unit == 0.0 {
        return Dyadic::zero();
    }
    let underflow = 2.0 * layer.terms as f64 * f32::MIN_POSITIVE as f64;
    let error = &(&Dyadic::of(deployed.relative(layer.terms)) * magnitude) + &Dyadic::of(underflow);
    match below(3, random) {
        0 => error,
        1 => -&error,
        _ => Dyadic::zero(),
    }
}

/// The network in binary32, every sum in an order of its own, fused multiply-add or not; none where numbers end.
pub fn single_precision(chain: &Chain<f32>, x: &[f64], random: &mut Random) -> Option<Sample> {
    let mut values: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let mut sample = Sample { x: values.iter().map(|&x| x as f64).collect(), pre: Vec::new(), outputs: Vec::new() };
    for (k, layer) in chain.layers.iter().enumerate() {
        let mut now = Vec::new();
        for j in 0..layer.neurons {
            let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
            let mut terms: Vec<(f32, f32)> = row.iter().copied().zip(values.iter().copied()).collect();
            terms.push((1.0, layer.bias[j] as f32));
            let a = shuffled_sum(&mut terms, random);
            if !a.is_finite() {
                return None;
            }
            now.push(if a < 0.0 { a * layer.slope[j] } else { a });
            let exact = Dyadic::of(a as f64);
            if k + 1 < chain.layers.len() { sample.pre.push(exact) } else { sample.outputs.push(exact) }
        }
        values = now;
    }
    Some(sample)
}

/// The sum of products in a random order: one by one or in two halves, fused or not.
pub fn shuffled_sum(terms: &mut [(f32, f32)], random: &mut Random) -> f32 {
    for i in (1..terms.len()).rev() {
        terms.swap(i, below(i + 1, random));
    }
    let fused = once_in(2, random);
    let add = |sum: f32, &(w, h): &(f32, f32)| if fused { w.mul_add(h, sum) } else { sum + w * h };
    let (left, right) = terms.split_at(if once_in(2, random) { terms.len() / 2 } else { 0 });
    left.iter().fold(0.0, add) + right.iter().fold(0.0, add)
}
