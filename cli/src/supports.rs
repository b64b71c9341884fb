//! `ironbound supports`: the capabilities that the VNN-LIB standard asks a solver to state.

use clap::Args;
use engine::input::onnx;

use crate::Finished;
use crate::failure::Failure;

/// One capability.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Capability {
    /// Lowest and highest ONNX operator set
    #[arg(long)]
    onnx_opset_versions: bool,
    /// Element types that the analysis is sound for
    #[arg(long)]
    onnx_element_types: bool,
    /// ONNX operators
    #[arg(long)]
    onnx_operators: bool,
    /// Lowest and highest VNN-LIB version
    #[arg(long)]
    vnnlib_versions: bool,
    /// NH: no hidden nodes; H: hidden nodes
    #[arg(long)]
    hidden_node_theories: bool,
    /// SIO: single; MIO: several inputs and outputs
    #[arg(long)]
    multiple_input_output_theories: bool,
    /// SNET: one network; MENET, MINET, MNET: equal, isomorphic, any networks
    #[arg(long)]
    multiple_network_theories: bool,
    /// SNC: a comparison over variables of one node; MNC: of several
    #[arg(long)]
    multiple_node_comparison_theories: bool,
    /// BND bounds, OUTC output comparisons, LIN linear, POLY polynomial
    #[arg(long)]
    arithmetic_complexity_theories: bool,
    /// Whether disjunctions are handled specially
    #[arg(long)]
    optimised_disjunctive_reasoning: bool,
    /// Whether `verify --serialise-assignments` is there
    #[arg(long)]
    serialise_assignments: bool,
}

/// Prints one capability.
pub fn run(which: &Capability) -> Result<Finished, Failure> {
    Ok(Finished::success(lines(which).join("\n") + "\n"))
}

fn lines(which: &Capability) -> Vec<&'static str> {
    if which.onnx_operators {
        return onnx::supported_operators().collect();
    }
    let answers: [(bool, &[&'static str]); 10] = [
        (which.onnx_opset_versions, &["8", "21"]),
        (which.onnx_element_types, &["float32", "real"]),
        (which.vnnlib_versions, &["1.0", "2.1"]),
        (which.hidden_node_theories, &["NH"]),
        (which.multiple_input_output_theories, &["SIO", "MIO"]),
        (which.multiple_network_theories, &["SNET"]),
        (which.multiple_node_comparison_theories, &["SNC", "MNC"]),
        (which.arithmetic_complexity_theories, &["BND", "OUTC", "LIN"]),
        (which.optimised_disjunctive_reasoning, &["true"]),
        (which.serialise_assignments, &["true"]),
    ];
    answers.into_iter().filter(|(asked, _)| *asked).flat_map(|(_, answer)| answer.iter().copied()).collect()
}
