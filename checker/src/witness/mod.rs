//! Exact replay of a counterexample: the point lies in a case's region as written, and the network's outputs there satisfy one
//! of its disjuncts. A margin of exactly 0 is enough for a constraint that is not strict.

mod deployed;
mod real;

use crate::Semantics;
use crate::exact::Rational;
use crate::network::Network;
use crate::query::{Case, Constraint, Query};
pub use deployed::deployed_outputs;
use real::{Ball, real_outputs};

/// Replays the point given as decimals, one per input element.
///
/// `real`: in exact arithmetic; weights that the file does not hold as numbers (see [`crate::network::Affine::relative_error`]) and
/// values of functions are enclosed, and the constraint must hold for all of the enclosure. `float32`: the point is rounded to the
/// network's element type, and every node evaluated in it ([`deployed_outputs`]); the disjunct must hold exactly for the rounded
/// point and these outputs. The error says what fails.
pub fn replay(network: &Network, query: &Query, semantics: Semantics, point: &[&[u8]]) -> Result<(), String> {
    let input = point.iter().enumerate().map(|(i, text)| Rational::parse(text).map_err(|why| format!("input {i}: {why}")));
    let input = input.collect::<Result<Vec<_>, _>>()?;
    let len = |ids: &[usize]| ids.iter().map(|&id| network.nodes[id].len).sum::<usize>();
    let (inputs, outputs) = (len(&network.inputs), len(&network.outputs));
    if (query.inputs, query.outputs, input.len()) != (inputs, outputs, inputs) {
        let sizes = format!("the query has {} inputs and {} outputs", query.inputs, query.outputs);
        return Err(format!("{sizes}, the network {inputs} and {outputs}, the witness {} inputs", input.len()));
    }
    let exact = |x: &Rational| Ball { centre: x.clone(), radius: Rational::ZERO };
    let values: Vec<Ball> = input.iter().map(exact).collect();
    let inside: Vec<&Case> = query.cases.iter().filter(|case| lies_in(case, &input, &values)).collect();
    if inside.is_empty() {
        return Err("the point lies in no input region of the query".into());
    }
    let (values, outputs) = match semantics {
        Semantics::Real => {
            let outputs = real_outputs(network, &values)?;
            (values, outputs)
        }
        Semantics::Float32 => {
            let rounded = input.iter().map(|x| if network.double { x.nearest_f64() } else { x.nearest_f32().map(f64::from) });
            let rounded: Vec<f64> = rounded.collect::<Option<_>>().ok_or("an input rounds to an infinity")?;
            let outputs = deployed_outputs(network, &rounded)?;
            let exact = |x: &f64| Rational::from_f64(*x).as_ref().map(exact).ok_or("a value is not finite");
            (rounded.iter().map(exact).collect::<Result<_, _>>()?, outputs.iter().map(exact).collect::<Result<Vec<_>, _>>()?)
        }
        Semantics::Both | Semantics::Integer => return Err(format!("a witness has no semantics `{}`", semantics.word())),
    };
    let holds = |disjunct: &Vec<Constraint>| disjunct.iter().all(|constraint| holds(constraint, &values, &outputs));
    match inside.iter().any(|case| case.disjuncts.iter().any(holds)) {
        true => Ok(()),
        false => Err("the outputs at the point satisfy no disjunct".into()),
    }
}

fn lies_in(case: &Case, input: &[Rational], values: &[Ball]) -> bool {
    input.iter().zip(case.low.iter().zip(&case.high)).all(|(x, (low, high))| low <= x && x <= high)
        && case.cuts.iter().all(|cut| holds(cut, values, &[]))
}

/// Whether a constraint holds for all numbers of the balls.
fn holds(constraint: &Constraint, inputs: &[Ball], outputs: &[Ball]) -> bool {
    let terms = |terms: &[(usize, Rational)], values: &[Ball], sum: Rational| {
        terms.iter().fold(sum, |sum, (i, c)| sum.plus(&c.times(&values[*i].centre)).minus(&c.size().times(&values[*i].radius)))
    };
    let least = terms(&constraint.outputs, outputs, terms(&constraint.inputs, inputs, constraint.constant.clone()));
    least.sign() > 0 || (least.is_zero() && !constraint.strict)
}
