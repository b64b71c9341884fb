//! A case of the query in numbers: the box in a working type, the objectives, what the deployed network adds.

use checker::Semantics;

use crate::bounds::Deployed;
use crate::bounds::chain::{Objective, Objectives};
use crate::graph::{Element, Graph};
use crate::kernels::Kernel;
use crate::numerics::Decimal;
use crate::query::{Case, Constraint};

/// The box of a case in `f64`, outward for the real semantics, to nearest for the deployed one, their hull for both.
pub fn region_box(case: &Case, semantics: Semantics, element: Element) -> (Vec<f64>, Vec<f64>) {
    let nearest = |x: &Decimal| match element {
        Element::F32 => x.to_f32() as f64,
        Element::F64 => x.to_f64(),
    };
    let ends = case.region.ranges.iter().map(|r| match semantics {
        Semantics::Real | Semantics::Integer => (r.low.to_f64_down(), r.high.to_f64_up()),
        Semantics::Float32 => (nearest(&r.low), nearest(&r.high)),
        Semantics::Both => (nearest(&r.low).min(r.low.to_f64_down()), nearest(&r.high).max(r.high.to_f64_up())),
    });
    ends.unzip()
}

/// What the semantics lets the deployed network add.
pub fn deployed(semantics: Semantics, element: Element) -> Deployed {
    match semantics {
        Semantics::Real | Semantics::Integer => Deployed::REAL,
        Semantics::Float32 | Semantics::Both => Deployed::evaluated_in(element),
    }
}

/// All constraints of a case as objectives; equal ones are shared between disjuncts.
pub fn objectives<F: Kernel>(case: &Case, graph: &Graph) -> Objectives<F> {
    let (inputs, outputs) = (graph.input_len(), graph.output_len());
    let mut result = Objectives::default();
    let mut seen: Vec<&Constraint> = Vec::new();
    let mut row_of = |c, result: &mut Objectives<F>| match seen.iter().position(|&s| s == c) {
        Some(r) => r,
        None => {
            seen.push(c);
            result.rows.push(objective(c, inputs, outputs));
            result.rows.len() - 1
        }
    };
    for disjunct in case.disjuncts.iter() {
        let rows = disjunct.iter().map(|c| row_of(c, &mut result)).collect();
        result.disjuncts.push(rows);
    }
    for cut in &case.region.cuts {
        let row = row_of(cut, &mut result);
        result.cuts.push(row);
    }
    result
}

fn objective<F: Kernel>(constraint: &Constraint, inputs: usize, outputs: usize) -> Objective<F> {
    let mut row = Objective { strict: constraint.strict, constant: constraint.constant.to_f64_up(), ..Objective::default() };
    for (element, coefficient) in &constraint.terms {
        let rounded = F::from_f64(coefficient.to_f64());
        let wrong = (coefficient.to_f64_up() - rounded.to_f64()).abs().max((coefficient.to_f64_down() - rounded.to_f64()).abs());
        if *element < inputs {
            row.inputs.resize(inputs, F::ZERO);
            row.inputs[*element] = rounded;
            row.input_error = row.input_error.max(wrong.next_up());
        } else {
            row.outputs.resize(outputs, F::ZERO);
            row.outputs[*element - inputs] = rounded;
            row.output_error = row.output_error.max(if wrong == 0.0 { 0.0 } else { wrong.next_up() });
        }
    }
    row
}
