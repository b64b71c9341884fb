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

/// All constraints of a case as objectives; equal ones are shared between disjuncts. Cuts bind the points of the region, not what
/// they round to: where the semantics rounds inputs, cuts leave room for that.
pub fn objectives<F: Kernel>(case: &Case, graph: &Graph, semantics: Semantics) -> Objectives<F> {
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
        let room = rounding_room(cut, case, semantics, graph.element);
        let row = match room {
            0.0 => row_of(cut, &mut result),
            _ => {
                let mut row = objective(cut, inputs, outputs);
                row.constant = (row.constant + room).next_up();
                result.rows.push(row);
                result.rows.len() - 1
            }
        };
        result.cuts.push(row);
    }
    result
}

/// By how much a cut's left side can fall when a point of the region is rounded to the network's element type; 0 where
/// the semantics does not round inputs.
fn rounding_room(cut: &Constraint, case: &Case, semantics: Semantics, element: Element) -> f64 {
    let (unit, smallest) = match (semantics, element) {
        (Semantics::Real | Semantics::Integer, _) => return 0.0,
        (_, Element::F32) => (f32::EPSILON as f64 / 2.0, f32::from_bits(1) as f64),
        (_, Element::F64) => (f64::EPSILON / 2.0, f64::from_bits(1)),
    };
    let of_term = |(input, coefficient): &(usize, Decimal)| {
        let range = case.region.ranges.iter().nth(*input);
        let size = range.map_or(f64::INFINITY, |r| r.low.to_f64_down().abs().max(r.high.to_f64_up().abs()));
        let weight = coefficient.to_f64_up().abs().max(coefficient.to_f64_down().abs());
        (weight * (size * unit + smallest)).next_up()
    };
    // More than the roundings here.
    cut.terms.iter().map(of_term).sum::<f64>() * (1.0 + 1.0 / 1024.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::vnnlib::{ParseOptions, read_query};

    /// A point of the region `x + y <= 0.3` rounds to one outside of it: the cut must not exclude it.
    #[test]
    fn cuts_leave_room_for_rounded_inputs() {
        let text = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))\
            (assert (>= X_1 0))(assert (<= X_1 1))(assert (<= (+ X_0 X_1) 0.3))(assert (>= Y_0 1))";
        let query = read_query(text.as_bytes(), &ParseOptions::default()).expect("well formed");
        let cut = &query.cases[0].region.cuts[0];
        assert_eq!(rounding_room(cut, &query.cases[0], Semantics::Real, Element::F32), 0.0);
        for (element, unit) in [(Element::F32, 2f64.powi(-24)), (Element::F64, 2f64.powi(-53))] {
            let room = rounding_room(cut, &query.cases[0], Semantics::Both, element);
            // Two inputs of size up to 1, each rounded by up to half a unit in the last place.
            assert!(room >= 2.0 * unit && room <= 2.01 * unit, "{room:e}");
        }
        let (x, y) = (0.2f64, 0.1f64);
        let rounded = x as f32 as f64 + y as f32 as f64 - 0.3;
        assert!(rounded > 0.0 && rounded <= rounding_room(cut, &query.cases[0], Semantics::Float32, Element::F32), "{rounded:e}");
    }
}
