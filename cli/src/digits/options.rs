//! The options of the `digits` commands.

use std::path::PathBuf;

use checker::Semantics;
use clap::{Args, Subcommand, ValueEnum};

use super::certify::Question;

/// Certify the robustness of handwritten-digit classifiers; without options, of the two networks inside the program.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DigitsArgs {
    /// Train, or check a certificate.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What to certify.
    #[command(flatten)]
    pub certify: CertifyArgs,
}

/// What else `digits` can do.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Train a classifier, export it as JSON and ONNX, and certify it from the exported files.
    TrainCertify(TrainArgs),
    /// Check a certificate of the format robust_margin_cert_v0_1.
    Check(CheckArgs),
    /// Write the embedded networks and robustness queries as files (ONNX, VNN-LIB, JSON), to try other commands on.
    Export(ExportArgs),
}

/// Options of plain `digits`.
#[derive(Args, Debug)]
pub struct CertifyArgs {
    /// Weights (JSON, digits_linear_weights_v0_1); default: the embedded networks.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Test images (JSON, digits_dataset_v0_1); default: the embedded test set.
    #[arg(long, value_name = "FILE")]
    pub dataset: Option<PathBuf>,
    /// What to prove.
    #[command(flatten)]
    pub asked: Asked,
    /// Also write the proved bounds to this file (robust_margin_cert_v0_1).
    #[arg(long, value_name = "FILE", requires_all = ["weights", "dataset"])]
    pub certificate: Option<PathBuf>,
}

/// What to prove, and of how many images.
#[derive(Args, Debug)]
pub struct Asked {
    /// How far each pixel (scaled to [0, 1]) may move.
    #[arg(long, default_value_t = 0.02, value_parser = radius, allow_negative_numbers = true)]
    pub eps: f64,
    /// Look at this many test images at most.
    #[arg(long, default_value_t = 100, value_parser = positive)]
    pub max: usize,
    /// What the network is taken to be: its real function, every float32 evaluation, or both in one proof.
    #[arg(long, value_enum, default_value_t = SemanticsOption::Both)]
    pub semantics: SemanticsOption,
    /// Another spelling of `--semantics float32`.
    #[arg(long, value_enum, conflicts_with = "semantics", hide = true)]
    pub float32_mode: Option<Float32Mode>,
}

impl Asked {
    /// The question as a value.
    pub fn question(&self) -> Question {
        let semantics = match (self.float32_mode, self.semantics) {
            (Some(_), _) | (None, SemanticsOption::Float32) => Semantics::Float32,
            (None, SemanticsOption::Real) => Semantics::Real,
            (None, SemanticsOption::Both) => Semantics::Both,
        };
        Question { eps: self.eps, semantics }
    }
}

/// Semantics that apply to digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SemanticsOption {
    /// One proof for the other two.
    Both,
    /// The real function of the stored weights.
    Real,
    /// Every binary32 evaluation, in any order.
    Float32,
}

/// Names that other tools give to binary32 evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Float32Mode {
    /// IEEE binary32.
    #[value(aliases = ["ieee32exec", "ieee754", "ieee32"])]
    Ieee754exec,
}

/// Options of `digits train-certify`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Seed of the split, the initial weights and the order of examples.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Passes over the training images.
    #[arg(long, default_value_t = 200, value_parser = positive)]
    pub epochs: usize,
    /// Images per step.
    #[arg(long, default_value_t = 128, value_parser = positive)]
    pub batch: usize,
    /// Step size of Adam.
    #[arg(long, default_value_t = 0.01, value_parser = step)]
    pub lr: f32,
    /// Sizes of hidden ReLU layers, such as 64,64; none makes a linear classifier.
    #[arg(long, value_delimiter = ',', value_name = "N,N", value_parser = layer)]
    pub hidden: Vec<usize>,
    /// Share of the images held out for testing.
    #[arg(long, default_value_t = super::embedded::TEST_SHARE, value_parser = share)]
    pub test_size: f64,
    /// Export this many test images at most.
    #[arg(long, default_value_t = 360, value_parser = positive)]
    pub max_test: usize,
    /// Write the weights here (JSON).
    #[arg(long, value_name = "FILE", default_value = "digits_weights.json")]
    pub weights: PathBuf,
    /// Write the test images here (JSON).
    #[arg(long, value_name = "FILE", default_value = "digits_test.json")]
    pub dataset: PathBuf,
    /// Write the network here (ONNX).
    #[arg(long, value_name = "FILE", default_value = "digits.onnx")]
    pub onnx: PathBuf,
    /// What to prove afterwards.
    #[command(flatten)]
    pub asked: Asked,
    /// Also write the proved bounds to this file (robust_margin_cert_v0_1).
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
}

/// Options of `digits check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The certificate.
    pub certificate: PathBuf,
    /// The weights that it is about; with these and the images every bound is proved anew.
    #[arg(long, value_name = "FILE", requires = "dataset")]
    pub weights: Option<PathBuf>,
    /// The test images that it is about.
    #[arg(long, value_name = "FILE", requires = "weights")]
    pub dataset: Option<PathBuf>,
}

/// Options of `digits export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The folder to write to; made if it is not there.
    pub folder: PathBuf,
    /// How far each pixel may move in the queries.
    #[arg(long, default_value_t = 0.02, value_parser = radius, allow_negative_numbers = true)]
    pub eps: f64,
    /// Write queries for this many test images.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    pub max: usize,
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse().ok().filter(|&x| fits(x)).ok_or_else(|| format!("expected {expected}"))
}

/// A radius of at least 0.
pub fn radius(text: &str) -> Result<f64, String> {
    number(text, |x| x.is_finite() && x >= 0.0, "a finite number of at least 0, such as 0.02")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x < 1.0, "a number between 0 and 1, such as 0.2")
}

fn step(text: &str) -> Result<f32, String> {
    number(text, |x| x > 0.0 && x <= 1e6, "a positive number, such as 0.01").map(|x| x as f32)
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n >= 1).ok_or_else(|| "expected a whole number of at least 1".into())
}

fn layer(text: &str) -> Result<usize, String> {
    text.trim().parse().ok().filter(|n| (1..=4096).contains(n)).ok_or_else(|| "expected layer sizes from 1 to 4096, such as 64,64".into())
}
