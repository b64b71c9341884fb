//! The arguments of the program.

use clap::{Parser, Subcommand};

use crate::{bench, bounds, check, digits, eval, foreign, quantized, revise, supports, verify};

/// Sound verdicts for neural networks: ONNX and VNN-LIB in; `unsat` (holds), `sat` (fails, with a witness) or `unknown` out.
#[derive(Parser)]
#[command(name = "ironbound", disable_version_flag = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 unsat (holds), 1 sat (fails), 2 unknown or timed-out, 3 error.")]
pub struct Arguments {
    /// Print the solver's name
    #[arg(long)]
    pub name: bool,
    /// Print the version
    #[arg(long, short = 'V')]
    pub version: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Decide a query: unsat (holds), sat (fails, with a witness) or unknown (with the reason)
    Verify(Box<verify::Arguments>),
    /// Look for a counterexample only: sat or unknown; with --timeout, until then
    Attack(Box<verify::Arguments>),
    /// Print proved ranges of the outputs over a query's inputs
    Bounds(Box<bounds::Arguments>),
    /// Evaluate a network at given points
    Eval(eval::Arguments),
    /// Run a list of instances, each in its own process, and compare with known verdicts
    Bench(Box<bench::Arguments>),
    /// Judge a certificate: accepted (0), rejected (1) or, without a network, unproved (2)
    Check(check::Arguments),
    /// Shorten a certificate: sibling leaves that one step closes become one
    Trim(revise::Arguments),
    /// Make one certificate of several parts of one proof
    Merge(revise::Arguments),
    /// Write a certificate in the format of another tool
    Export(foreign::export::Arguments),
    /// Certify the robustness of handwritten-digit classifiers; without options, of two embedded ones
    Digits(digits::DigitsArgs),
    /// Another spelling of `digits train-certify`
    #[command(hide = true)]
    DigitsTrainCertify(digits::TrainArgs),
    /// Decide robustness of quantized (integer) networks, bit for bit
    Quantized(Box<quantized::QuantizedArgs>),
    /// Print what the solver supports, in the VNN-LIB standard's terms
    Supports(supports::Capability),
}
