//! Labelled images and their JSON format `digits_dataset_v0_1`.

use serde_json::json;

use super::classifier::{PIXEL_SCALE, scale_is_16};
use super::error::DigitsError;
use super::json::{Field, parse};

const FORMAT: &str = "digits_dataset_v0_1";
const LARGEST_ID: usize = 1 << 40;

/// One image with its class.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Number in the file.
    pub id: usize,
    /// Pixels in `[0, 1]`.
    pub x: Vec<f64>,
    /// The right class.
    pub label: usize,
}

/// A set of images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Pixels per image.
    pub inputs: usize,
    /// Number of classes.
    pub classes: usize,
    /// At least one.
    pub examples: Vec<Example>,
}

impl Dataset {
    /// Reads the JSON format; `file` is for messages.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<Dataset, DigitsError> {
        let value = parse(file, bytes)?;
        let top = Field::top(file, &value);
        top.member("format")?.one_of(&[FORMAT])?;
        scale_is_16(&top)?;
        let inputs = top.member("input_dim")?.natural(1 << 20)?;
        let classes = top.member("num_classes")?.natural(1 << 16)?;
        let list = top.member("examples")?;
        let examples = list.elements()?.iter().map(|e| read_example(e, inputs, classes)).collect::<Result<Vec<_>, _>>()?;
        if examples.is_empty() {
            return Err(list.expected("at least one example"));
        }
        Ok(Dataset { inputs, classes, examples })
    }

    /// Writes the JSON format.
    pub fn to_json(&self) -> String {
        let examples: Vec<_> = self.examples.iter().map(|e| json!({"id": e.id, "x": e.x, "y": e.label})).collect();
        let top = json!({
            "format": FORMAT, "split": "test", "input_dim": self.inputs, "num_classes": self.classes,
            "normalize_div": PIXEL_SCALE, "examples": examples,
        });
        top.to_string() + "\n"
    }
}

fn read_example(example: &Field, inputs: usize, classes: usize) -> Result<Example, DigitsError> {
    let label = example.member("y")?;
    let y = label.natural(LARGEST_ID)?;
    if y >= classes {
        return Err(label.expected(format!("a class from 0 to {}", classes.saturating_sub(1))));
    }
    let pixels = example.member("x")?.exactly(inputs)?;
    let x = pixels.iter().map(pixel).collect::<Result<_, _>>()?;
    Ok(Example { id: example.member("id")?.natural(LARGEST_ID)?, x, label: y })
}

fn pixel(field: &Field) -> Result<f64, DigitsError> {
    let x = field.number()?;
    if (0.0..=1.0).contains(&x) { Ok(x) } else { Err(field.expected("a number from 0 to 1")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_set_is_read_back() {
        let set = Dataset { inputs: 2, classes: 3, examples: vec![Example { id: 4, x: vec![0.0, 0.0625], label: 2 }] };
        assert_eq!(Dataset::from_json("d", set.to_json().as_bytes()).expect("readable"), set);
    }

    #[test]
    fn bad_examples_are_refused_with_their_place() {
        let text = |examples: &str| {
            format!(r#"{{"format":"{FORMAT}","input_dim":1,"num_classes":2,"normalize_div":16.0,"examples":[{examples}]}}"#)
        };
        let message = |examples: &str| Dataset::from_json("d", text(examples).as_bytes()).unwrap_err().to_string();
        assert!(message("").contains("at least one example"));
        assert!(message(r#"{"id":0,"x":[1.5],"y":0}"#).contains("examples[0].x[0]"));
        assert!(message(r#"{"id":0,"x":[0.5,0.5],"y":0}"#).contains("an array of 1 elements"));
        assert!(message(r#"{"id":0,"x":[0.5],"y":2}"#).contains("a class from 0 to 1"));
        assert!(message(r#"{"id":0,"x":[0.5]}"#).contains("examples[0].y"));
    }
}
