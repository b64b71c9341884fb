//! Training a fixed-point network with its rounding in the loop: forward with quantized numbers, backward as if there were none.

use engine::quantized::read::{Images, network_to_json};
use engine::quantized::{DenseFloats, FixedPoint, Network, first_maximum};
use serde_json::json;

use super::data::examples;
use super::digits;
use super::options::TrainArgs;
use crate::Finished;
use crate::digits::train::adam::Adam;
use crate::digits::train::random::Random;
use crate::digits::train::{dot, softmax};
use crate::failure::Failure;

/// Labelled images.
pub struct Examples {
    /// The images.
    pub images: Images,
    /// One class per image.
    pub labels: Vec<u8>,
}

/// What the trainer may choose.
pub struct Recipe {
    /// The numbers' format.
    pub format: FixedPoint,
    /// Sizes of the hidden layers.
    pub hidden: Vec<usize>,
    /// Seed of weights and order.
    pub seed: u64,
    /// Passes over the examples.
    pub epochs: usize,
    /// Examples per step.
    pub batch: usize,
    /// Adam's step size; it falls linearly to a tenth.
    pub learning_rate: f32,
}

/// Logits are outputs times this: outputs saturate at 2, which would leave the softmax undecided.
const SHARPNESS: f32 = 4.0;
const CLASSES: usize = 10;

/// Runs `quantized train`.
pub fn run(args: &TrainArgs) -> Result<Finished, Failure> {
    let bytes = args.images.is_some() || args.labels.is_some() || args.data.is_some();
    let (test, training) = if bytes { split(examples(args)?, args.holdout)? } else { digits::examples() };
    let format = if bytes { FixedPoint::bytes(args.bits) } else { FixedPoint::sixteenths(args.bits) };
    let format = format.ok_or_else(|| Failure::new("--bits must be from 3 to 8"))?;
    let recipe =
        Recipe { format, hidden: args.hidden.clone(), seed: args.seed, epochs: args.epochs, batch: args.batch, learning_rate: args.lr };
    let network = train(&training, &recipe, &mut |epoch, network| {
        eprintln!("epoch {epoch}: test accuracy {:.4}", accuracy(network, &test));
    })?;
    let made_by = format!(
        "ironbound {}, bits {}, seed {}, epochs {}, batch {}, lr {}",
        env!("CARGO_PKG_VERSION"),
        args.bits,
        args.seed,
        args.epochs,
        args.batch,
        args.lr
    );
    let text = network_to_json(&network, Some(json!(made_by))).map_err(Failure::new)?;
    std::fs::write(&args.out, text).map_err(|e| Failure::about(&args.out, format!("cannot be written: {e}")))?;
    let (shape, share) = (network.shape(), accuracy(&network, &test));
    Ok(Finished::success(format!(
        "trained {shape} with {} bits on {} images; integer accuracy {share:.4} on {} others\nwrote {}\n",
        args.bits,
        training.labels.len(),
        test.labels.len(),
        args.out.display()
    )))
}

/// The first `holdout` examples, and the rest.
fn split(all: Examples, holdout: usize) -> Result<(Examples, Examples), Failure> {
    let count = all.labels.len();
    if holdout >= count {
        return Err(Failure::new(format!("--holdout {holdout} leaves nothing of {count} images to train on")));
    }
    let pick = |ids: std::ops::Range<usize>| {
        let pixels = ids.clone().filter_map(|i| all.images.get(i)).flatten().map(|v| v as u8).collect();
        Examples { images: Images::new(all.images.pixels, pixels), labels: all.labels[ids].to_vec() }
    };
    Ok((pick(0..holdout), pick(holdout..count)))
}

/// Share of the examples whose class the integer network names.
pub fn accuracy(network: &Network, examples: &Examples) -> f64 {
    let right =
        |i: &usize| examples.images.get(*i).is_some_and(|x| first_maximum(&network.evaluate(&x)) == usize::from(examples.labels[*i]));
    (0..examples.labels.len()).filter(right).count() as f64 / examples.labels.len().max(1) as f64
}

/// Trains; the same network for a seed on every machine, as only basic operations in a fixed order are used.
pub fn train(examples: &Examples, recipe: &Recipe, report: &mut dyn FnMut(usize, &Network)) -> Result<Network, Failure> {
    let mut random = Random::new(recipe.seed);
    let mut layers = initial(examples.images.pixels, &recipe.hidden, &mut random);
    let mut optimisers: Vec<(Adam, Adam)> = layers.iter().map(|l| (Adam::new(l.weights.len()), Adam::new(l.bias.len()))).collect();
    let mut order: Vec<usize> = (0..examples.labels.len()).collect();
    for epoch in 0..recipe.epochs {
        let rate = recipe.learning_rate * (1.0 - 0.9 * epoch as f32 / recipe.epochs as f32);
        random.shuffle(&mut order);
        for batch in order.chunks(recipe.batch) {
            let gradients = gradients(&layers, examples, batch, recipe.format);
            for ((layer, (weights, bias)), gradient) in layers.iter_mut().zip(&mut optimisers).zip(&gradients) {
                weights.step(&mut layer.weights, &gradient.weights, rate);
                bias.step(&mut layer.bias, &gradient.bias, rate);
                layer.weights.iter_mut().for_each(|w| *w = w.clamp(-1.0, 1.0));
                layer.bias.iter_mut().for_each(|b| *b = b.clamp(-2.0, 2.0));
            }
        }
        report(epoch, &recipe.format.network(&layers)?);
    }
    Ok(recipe.format.network(&layers)?)
}

fn initial(inputs: usize, hidden: &[usize], random: &mut Random) -> Vec<DenseFloats> {
    let sizes: Vec<usize> = [inputs].iter().chain(hidden).chain(&[CLASSES]).copied().collect();
    let mut layer = |inputs: usize, outputs: usize| {
        let reach = 1.0 / (inputs as f32).sqrt();
        let weights = (0..inputs * outputs).map(|_| random.signed_unit() * 2.0 * reach).collect();
        DenseFloats { inputs, outputs, weights, bias: vec![0.0; outputs] }
    };
    sizes.windows(2).map(|w| layer(w[0], w[1])).collect()
}

/// The mean gradient of the cross-entropy over a batch; rounding counts as the identity, saturation as flat.
fn gradients(layers: &[DenseFloats], examples: &Examples, batch: &[usize], format: FixedPoint) -> Vec<DenseFloats> {
    let quantized: Vec<DenseFloats> = layers
        .iter()
        .map(|l| DenseFloats {
            weights: l.weights.iter().map(|&w| format.weight(w)).collect(),
            bias: l.bias.iter().map(|&b| format.bias(b)).collect(),
            ..*l
        })
        .collect();
    let zero = |l: &DenseFloats| DenseFloats { weights: vec![0.0; l.weights.len()], bias: vec![0.0; l.bias.len()], ..*l };
    let mut sums: Vec<DenseFloats> = layers.iter().map(zero).collect();
    let (most, step) = format.activation();
    for &id in batch {
        let Some(image) = examples.images.get(id) else { continue };
        let mut values = vec![image.iter().map(|&x| format.input(x)).collect::<Vec<f32>>()];
        let mut open = Vec::new();
        for (k, layer) in quantized.iter().enumerate() {
            let a: Vec<f32> = layer.weights.chunks_exact(layer.inputs).zip(&layer.bias).map(|(row, b)| b + dot(row, &values[k])).collect();
            open.push(a.iter().map(|a| *a > 0.0 && *a < most).collect::<Vec<bool>>());
            let rounded = |a: &f32| ((a / step + 0.5).floor() * step).clamp(0.0, most);
            values.push(if k + 1 == quantized.len() { a } else { a.iter().map(rounded).collect() });
        }
        let logits: Vec<f32> = values[quantized.len()].iter().map(|a| a * SHARPNESS).collect();
        let mut delta = softmax(&logits);
        delta[usize::from(examples.labels[id])] -= 1.0;
        delta.iter_mut().for_each(|d| *d *= SHARPNESS / batch.len() as f32);
        for k in (0..quantized.len()).rev() {
            for (j, d) in delta.iter().enumerate().filter(|(_, d)| **d != 0.0) {
                sums[k].bias[j] += d;
                let row = &mut sums[k].weights[j * quantized[k].inputs..][..quantized[k].inputs];
                row.iter_mut().zip(&values[k]).for_each(|(w, h)| *w += d * h);
            }
            if k > 0 {
                let mut back = vec![0.0; quantized[k].inputs];
                for (row, d) in quantized[k].weights.chunks_exact(quantized[k].inputs).zip(&delta) {
                    back.iter_mut().zip(row).for_each(|(b, w)| *b += d * w);
                }
                back.iter_mut().zip(&open[k - 1]).filter(|(_, open)| !**open).for_each(|(b, _)| *b = 0.0);
                delta = back;
            }
        }
    }
    sums
}
