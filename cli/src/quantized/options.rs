//! The options of the `quantized` commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::options::parse_seconds;

/// Decide robustness of quantized networks, bit for bit: the AAAI 2021 benchmark, your own integer networks, or an embedded one.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Exit codes: 0 robust, 1 vulnerable, 2 timeout, 3 error, 4 misclassified.")]
pub struct QuantizedArgs {
    /// What else to do
    #[command(subcommand)]
    pub action: Option<Action>,
    /// One query
    #[command(flatten)]
    pub query: QueryArgs,
}

/// What else `quantized` can do.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// List the samples and radii of the published benchmark
    Samples(SamplesArgs),
    /// Run the published benchmark, and print its table beside the published one
    Bench(BenchArgs),
    /// Certify the embedded network of handwritten digits; needs no files
    Digits(DigitsArgs),
    /// Train a network with its rounding in the loop, and write it as integers
    Train(TrainArgs),
    /// Rewrite a network (Keras HDF5, npz, JSON) as JSON integers
    Convert(ConvertArgs),
    /// Check certificates with the independent checker: accepted (0) or rejected (1)
    Check(CheckArgs),
    /// Put partial certificates of one query together
    Merge(MergeArgs),
}

/// The data sets of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// Handwritten digits
    Mnist,
    /// Pieces of clothing
    FashionMnist,
}

impl Dataset {
    /// The name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Mnist => "mnist",
            Dataset::FashionMnist => "fashion-mnist",
        }
    }
}

/// Where networks and images are.
#[derive(Args, Debug, Clone)]
pub struct Sources {
    /// Weights: Keras HDF5 (quantized on load to 6 bits), or an integer network as JSON or npz [default: in the data folder]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Images (idx, gzipped or not) [default: in the data folder]
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// Labels (idx, gzipped or not) [default: in the data folder]
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Folder with weights, images and labels
    #[arg(long, value_name = "DIR", env = "IRONBOUND_DATA")]
    pub data: Option<PathBuf>,
}

/// One query.
#[derive(Args, Debug)]
pub struct QueryArgs {
    /// Data set
    #[arg(long, value_enum, default_value = "mnist")]
    pub dataset: Dataset,
    /// Position of the image in the test set, from 0
    #[arg(long, visible_alias = "sample_id", value_name = "ID", value_parser = position, allow_negative_numbers = true)]
    pub sample_id: Option<usize>,
    /// How far every pixel may move, in steps of 1/255
    #[arg(long, value_name = "N", value_parser = radius, allow_negative_numbers = true)]
    pub eps: Option<i64>,
    /// Look for the largest robust radius instead, up to --eps (or 255)
    #[arg(long)]
    pub max_radius: bool,
    /// Take the query from a file (integer_query_v0_1) instead of an image
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sample_id", "eps", "max_radius", "images", "labels"])]
    pub query: Option<PathBuf>,
    /// Files
    #[command(flatten)]
    pub sources: Sources,
    /// Give up after this many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// Write a certificate here, and the query that it is about to FILE.query.json
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Go on from this certificate, about the same network and query, which a time limit has left open in part
    #[arg(long, value_name = "FILE", conflicts_with_all = ["max_radius", "export"])]
    pub resume: Option<PathBuf>,
    /// Write the query as SMT-LIB 2 (QF_BV) to smt2/DATASET_ID.smt2 instead of deciding it
    #[arg(long)]
    pub export: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `quantized samples`.
#[derive(Args, Debug)]
pub struct SamplesArgs {
    /// Only this data set
    #[arg(long, value_enum)]
    pub dataset: Option<Dataset>,
}

/// Options of `quantized digits`.
#[derive(Args, Debug)]
pub struct DigitsArgs {
    /// How far every pixel (0 to 16) may move
    #[arg(long, value_name = "N", value_parser = radius, default_value = "1", allow_negative_numbers = true)]
    pub eps: i64,
    /// Look at this many test images at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive)]
    pub max: usize,
    /// Give up on an image after this many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds, default_value = "2")]
    pub timeout: Duration,
    /// Write the embedded network, and the query of every image looked at, into this folder
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

/// Options of `quantized train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Images (idx) [default: in the data folder; without one, the embedded digits]
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub images: Option<PathBuf>,
    /// Labels (idx)
    #[arg(long, value_name = "FILE", requires = "images")]
    pub labels: Option<PathBuf>,
    /// Folder with images and labels
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Data set in the folder
    #[arg(long, value_enum, default_value = "mnist")]
    pub dataset: Dataset,
    /// Keep this many images from the beginning for testing (with files)
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = positive)]
    pub holdout: usize,
    /// Bits of weights and values
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub bits: u32,
    /// Sizes of hidden layers
    #[arg(long, value_delimiter = ',', value_name = "N,N", default_value = "64,32", value_parser = positive)]
    pub hidden: Vec<usize>,
    /// Seed of weights and order
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Passes over the images
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = positive)]
    pub epochs: usize,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = positive)]
    pub batch: usize,
    /// Step size of Adam
    #[arg(long, value_name = "X", default_value_t = 0.002, value_parser = step)]
    pub lr: f32,
    /// Write the network here (JSON)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `quantized convert`.
#[derive(Args, Debug)]
pub struct ConvertArgs {
    /// The network
    pub network: PathBuf,
    /// The JSON file to write
    pub out: PathBuf,
}

/// Options of `quantized check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Certificates; the query of FILE is FILE.query.json unless --query names another
    #[arg(required = true, value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// The network that they are about
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// The query that they are about
    #[arg(long, value_name = "FILE")]
    pub query: Option<PathBuf>,
    /// Also find by how much all other outputs could be larger with the same certificate
    #[arg(long)]
    pub room: bool,
}

/// Options of `quantized merge`.
#[derive(Args, Debug)]
pub struct MergeArgs {
    /// Certificates of one query; that is FILE.query.json of the first unless --query names another
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// The network that they are about
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// The query that they are about
    #[arg(long, value_name = "FILE")]
    pub query: Option<PathBuf>,
    /// Where to write the certificate that is made of them, and its query beside it
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Options of `quantized bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Only this data set
    #[arg(long, value_enum)]
    pub dataset: Option<Dataset>,
    /// Folder with weights, images and labels
    #[arg(long, value_name = "DIR", env = "IRONBOUND_DATA")]
    pub data: Option<PathBuf>,
    /// Give up on a query after this many seconds of CPU time
    #[arg(long, value_name = "S", value_parser = parse_seconds, default_value = "60")]
    pub timeout: Duration,
    /// Another network than the published ones (one data set only); no comparison with published verdicts
    #[arg(long, value_name = "FILE", requires = "dataset")]
    pub weights: Option<PathBuf>,
    /// Other radii than the published ones, on the samples 0 to --last
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = radius)]
    pub radius: Vec<i64>,
    /// Last sample with --radius
    #[arg(long, value_name = "ID", default_value_t = 99)]
    pub last: usize,
    /// Write a certificate and its query per decided query into this folder, and check it
    #[arg(long, value_name = "DIR")]
    pub certificates: Option<PathBuf>,
    /// Append one JSON line per query here
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A radius in pixel units.
pub fn radius(text: &str) -> Result<i64, String> {
    text.parse().ok().filter(|r| (0..=255).contains(r)).ok_or_else(|| "expected a whole number of pixel steps from 0 to 255".into())
}

fn position(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected the position of an image: a whole number from 0 on".into())
}

fn positive(text: &str) -> Result<usize, String> {
    text.trim().parse().ok().filter(|n| (1..=1 << 20).contains(n)).ok_or_else(|| "expected a whole number of at least 1".into())
}

fn step(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|x: &f32| *x > 0.0 && *x <= 1.0).ok_or_else(|| "expected a number above 0 and at most 1, such as 0.002".into())
}
