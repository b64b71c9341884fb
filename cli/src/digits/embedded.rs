//! The data set and the networks inside the program (`cli/data/digits`, source and licence in its README).

use super::classifier::{Classifier, PIXEL_SCALE};
use super::dataset::{Dataset, Example};
use super::error::DigitsError;
use super::train::split::split;

/// One line per image: the class, a space, 64 pixels as base-17 digits `0` to `g`.
const IMAGES: &str = include_str!("../../data/digits/digits.txt");
const LINEAR: &[u8] = include_bytes!("../../data/digits/linear.json");
const RELU: &[u8] = include_bytes!("../../data/digits/relu.json");

/// Share of the images that is held out from training.
pub const TEST_SHARE: f64 = 0.2;
/// Seed of the split, the initial weights and the order of training.
pub const SEED: u64 = 0;

/// All 1797 images.
pub fn images() -> Dataset {
    let pixel = |c: char| c.to_digit(17).expect("the embedded file has base-17 digits") as f64 / PIXEL_SCALE;
    let example = |(id, line): (usize, &str)| {
        let (label, pixels) = line.split_once(' ').expect("the embedded file has a space in each line");
        Example { id, x: pixels.chars().map(pixel).collect(), label: label.parse().expect("the embedded file has a class in each line") }
    };
    Dataset { inputs: 64, classes: 10, examples: IMAGES.lines().enumerate().map(example).collect() }
}

/// The 360 images that the embedded networks were not trained on.
pub fn test_set() -> Dataset {
    split(&images(), TEST_SHARE, SEED).1
}

/// The embedded linear classifier.
pub fn linear() -> Result<Classifier, DigitsError> {
    Classifier::from_json("embedded linear network", LINEAR)
}

/// The embedded ReLU network with two hidden layers.
pub fn relu() -> Result<Classifier, DigitsError> {
    Classifier::from_json("embedded ReLU network", RELU)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::train::{Recipe, train};

    #[test]
    fn the_embedded_linear_network_is_what_the_trainer_makes() {
        let recipe = Recipe { hidden: vec![], seed: SEED, epochs: 200, batch: 128, learning_rate: 0.01 };
        let (training, test) = split(&images(), TEST_SHARE, SEED);
        let made = train(&training, &recipe, &mut |_, _| {});
        assert_eq!(made, linear().expect("the embedded weights are readable"));
        assert_eq!((training.inputs, test.examples.len()), (64, 360));
    }
}
