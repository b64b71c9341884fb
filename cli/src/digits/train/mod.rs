//! Training a classifier: cross-entropy, Adam (Kingma and Ba, ICLR 2015), binary32, a fixed order of every sum.
//!
//! Only `+ - * /` and `sqrt` are used, so a seed gives the same weights, bit for bit, on every machine.

pub mod adam;
mod exponential;
pub mod random;
pub mod split;

use adam::Adam;
use exponential::exponential;
use random::Random;

use super::classifier::{Classifier, Layer};
use super::dataset::{Dataset, Example};

/// What the trainer may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Sizes of the hidden layers; none makes a linear classifier.
    pub hidden: Vec<usize>,
    /// Seed of the initial weights and the order of examples.
    pub seed: u64,
    /// Passes over the training set.
    pub epochs: usize,
    /// Examples per step.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f32,
}

/// Trains on `data`; `report` is called after each epoch with its number and the network so far.
pub fn train(data: &Dataset, recipe: &Recipe, report: &mut dyn FnMut(usize, &Classifier)) -> Classifier {
    let mut random = Random::new(recipe.seed);
    let mut network = initial(data, recipe, &mut random);
    let mut optimisers: Vec<(Adam, Adam)> = network.layers.iter().map(|l| (Adam::new(l.weights.len()), Adam::new(l.bias.len()))).collect();
    let mut order: Vec<&Example> = data.examples.iter().collect();
    for epoch in 0..recipe.epochs {
        random.shuffle(&mut order);
        for batch in order.chunks(recipe.batch.max(1)) {
            let gradients = gradients(&network, batch);
            for ((layer, (weights, bias)), gradient) in network.layers.iter_mut().zip(&mut optimisers).zip(&gradients) {
                weights.step(&mut layer.weights, &gradient.weights, recipe.learning_rate);
                bias.step(&mut layer.bias, &gradient.bias, recipe.learning_rate);
            }
        }
        report(epoch, &network);
    }
    network
}

/// Share of examples whose class the network names.
pub fn accuracy(network: &Classifier, data: &Dataset) -> f64 {
    let right = data.examples.iter().filter(|e| network.predict(&e.x) == e.label).count();
    right as f64 / data.examples.len() as f64
}

/// Uniform weights and biases of size `1 / sqrt(inputs)`, as usual for dense layers.
fn initial(data: &Dataset, recipe: &Recipe, random: &mut Random) -> Classifier {
    let sizes: Vec<usize> = [data.inputs].into_iter().chain(recipe.hidden.iter().copied()).chain([data.classes]).collect();
    let mut layer = |inputs: usize, outputs: usize| {
        let reach = 1.0 / (inputs as f32).sqrt();
        let mut numbers = |n: usize| (0..n).map(|_| random.signed_unit() * reach).collect();
        Layer { inputs, outputs, weights: numbers(inputs * outputs), bias: numbers(outputs) }
    };
    Classifier { layers: sizes.windows(2).map(|w| layer(w[0], w[1])).collect(), rounded: false }
}

/// The mean gradient of the cross-entropy over a batch, layer by layer.
fn gradients(network: &Classifier, batch: &[&Example]) -> Vec<Layer> {
    let zero = |l: &Layer| Layer { weights: vec![0.0; l.weights.len()], bias: vec![0.0; l.bias.len()], ..*l };
    let mut sums: Vec<Layer> = network.layers.iter().map(zero).collect();
    for example in batch {
        let values = forward(network, &example.x);
        let mut delta = softmax(&values[values.len() - 1]);
        delta[example.label] -= 1.0;
        delta.iter_mut().for_each(|d| *d /= batch.len() as f32);
        for k in (0..network.layers.len()).rev() {
            accumulate(&mut sums[k], &delta, &values[k]);
            if k > 0 {
                delta = pull_back(&network.layers[k], &delta, &values[k]);
            }
        }
    }
    sums
}

/// The input of every layer, then the logits.
fn forward(network: &Classifier, x: &[f64]) -> Vec<Vec<f32>> {
    let mut values = vec![x.iter().map(|&v| v as f32).collect::<Vec<f32>>()];
    for (k, layer) in network.layers.iter().enumerate() {
        let h = &values[k];
        let last = k + 1 == network.layers.len();
        let rows = layer.weights.chunks_exact(layer.inputs).zip(&layer.bias);
        values.push(rows.map(|(row, b)| b + dot(row, h)).map(|z| if last { z } else { z.max(0.0) }).collect());
    }
    values
}

/// A dot product in eight fixed lanes, which compilers turn into vector instructions without changing any bit.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// Shares of the exponentials.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|z| exponential(z - largest)).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

fn accumulate(sums: &mut Layer, delta: &[f32], h: &[f32]) {
    let inputs = sums.inputs;
    for ((row, b), &d) in sums.weights.chunks_exact_mut(inputs).zip(&mut sums.bias).zip(delta) {
        *b += d;
        row.iter_mut().zip(h).for_each(|(w, x)| *w += d * x);
    }
}

/// `W^T delta` where the layer's input (a ReLU's output) is positive, else 0.
fn pull_back(layer: &Layer, delta: &[f32], h: &[f32]) -> Vec<f32> {
    let mut back = vec![0.0; layer.inputs];
    for (row, &d) in layer.weights.chunks_exact(layer.inputs).zip(delta) {
        back.iter_mut().zip(row).for_each(|(b, w)| *b += d * w);
    }
    back.iter_mut().zip(h).filter(|(_, h)| **h <= 0.0).for_each(|(b, _)| *b = 0.0);
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(hidden: &[usize]) -> Recipe {
        Recipe { hidden: hidden.into(), seed: 3, epochs: 2, batch: 128, learning_rate: 0.01 }
    }

    #[test]
    fn a_seed_gives_the_same_network_again_and_it_learns() {
        let (training, test) = split::split(&crate::digits::embedded::images(), 0.2, 0);
        let make = |hidden: &[usize]| train(&training, &recipe(hidden), &mut |_, _| {});
        assert_eq!(make(&[12]), make(&[12]));
        assert!(accuracy(&make(&[]), &test) > 0.5);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let data = crate::digits::embedded::images();
        let network = train(&data, &recipe(&[5]), &mut |_, _| {});
        let batch: Vec<&Example> = data.examples.iter().take(3).collect();
        let loss = |n: &Classifier| -> f64 {
            let one = |e: &&Example| -(softmax(&forward(n, &e.x)[2])[e.label] as f64).ln();
            batch.iter().map(one).sum::<f64>() / batch.len() as f64
        };
        for (k, i) in [(0, 20), (0, 90), (1, 7), (1, 30)] {
            let moved = |by: f32| {
                let mut n = network.clone();
                n.layers[k].weights[i] += by;
                loss(&n)
            };
            let (slope, gradient) = ((moved(0.01) - moved(-0.01)) / 0.02, gradients(&network, &batch)[k].weights[i]);
            assert!((slope - gradient as f64).abs() < 2e-3, "{slope} {gradient}");
        }
    }
}
