//! `ironbound eval`: the network's outputs at given points, in one deployed evaluation (left to right, no FMA) or in double precision.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::graph::{Element, Graph};
use engine::input::{self, InputError};
use engine::numerics::Decimal;

use crate::Finished;
use crate::assignment::shortest;
use crate::failure::Failure;

/// Arguments of `ironbound eval`.
#[derive(Args)]
pub struct Arguments {
    /// The network
    model: PathBuf,
    #[command(flatten)]
    points: Points,
    /// Evaluate in double precision
    #[arg(long)]
    double: bool,
}

/// Where the points are.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Points {
    /// One point, its numbers separated by spaces or commas
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    input: Option<String>,
    /// One point per line, - for standard input
    #[arg(long, value_name = "FILE")]
    points: Option<PathBuf>,
}

/// Prints one line of outputs per point, each number the shortest that reads back.
pub fn run(arguments: &Arguments) -> Result<Finished, Failure> {
    let (name, text) = arguments.points.read()?;
    let network = input::load_network(&arguments.model)?;
    let mut output = String::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let point = point(line, network.input_len()).map_err(|problem| Failure::new(format!("{name}:{}: {problem}", number + 1)))?;
        output += &(evaluate(&network, &point, arguments.double).join(" ") + "\n");
    }
    Ok(Finished::success(output))
}

impl Points {
    fn read(&self) -> Result<(String, String), Failure> {
        match (&self.input, &self.points) {
            (Some(text), _) => Ok(("--input".into(), text.clone())),
            (None, Some(path)) if path == Path::new("-") => Ok(("standard input".into(), std::io::read_to_string(std::io::stdin())?)),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|e| InputError::read(path, e))?;
                Ok((path.display().to_string(), text))
            }
            (None, None) => Err(Failure::new("give --input or --points")),
        }
    }
}

fn point(line: &str, len: usize) -> Result<Vec<Decimal>, String> {
    let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let point: Result<Vec<Decimal>, String> =
        words.map(|word| Decimal::parse(word.as_bytes()).map_err(|e| format!("`{word}`: {e}"))).collect();
    let point = point?;
    match point.len() == len {
        true => Ok(point),
        false => Err(format!("{} numbers, the network takes {len}", point.len())),
    }
}

fn evaluate(network: &Graph, point: &[Decimal], double: bool) -> Vec<String> {
    let (element, values): (Element, Vec<f64>) = match network.element {
        Element::F32 if !double => {
            let rounded: Vec<f32> = point.iter().map(Decimal::to_f32).collect();
            (Element::F32, network.output_f32(&rounded).into_iter().map(f64::from).collect())
        }
        _ => (Element::F64, network.output_f64(&point.iter().map(Decimal::to_f64).collect::<Vec<f64>>())),
    };
    let print = |y: f64| if y.is_finite() { shortest(element, y).to_string() } else { y.to_string() };
    values.into_iter().map(print).collect()
}
