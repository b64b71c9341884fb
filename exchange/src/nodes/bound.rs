//! The greatest value that accepted claims leave to a linear expression over inputs and outputs.

use engine::graph::Graph;
use engine::numerics::Decimal;
use engine::query::Constraint;

use super::claims::{Claims, Side};

/// An upper bound of the left-hand side over `domain`, exactly; `None` where nothing is claimed about one of its outputs.
pub fn greatest(graph: &Graph, claims: &Claims, constraint: &Constraint, domain: &[(Decimal, Decimal)]) -> Option<Decimal> {
    let by_ends = over(graph, claims, constraint, domain, false);
    let by_forms = over(graph, claims, constraint, domain, true);
    match (by_ends, by_forms) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn over(graph: &Graph, claims: &Claims, constraint: &Constraint, domain: &[(Decimal, Decimal)], forms: bool) -> Option<Decimal> {
    let inputs = graph.input_len();
    let outputs: Vec<(usize, usize)> = graph.outputs.iter().flat_map(|&id| (0..graph.nodes[id].len()).map(move |i| (id, i))).collect();
    let first = first_element(graph, claims.input);
    let mut of_inputs = vec![Decimal::ZERO; inputs];
    let mut sum = constraint.constant.clone();
    for (element, c) in &constraint.terms {
        let Some(&(id, i)) = element.checked_sub(inputs).map(|o| outputs.get(o)).unwrap_or(None) else {
            let own = of_inputs.get_mut(*element)?;
            *own = &*own + c;
            continue;
        };
        let side = Side::Upper.times(c.sign() < 0);
        match claims.nodes[id].forms.as_ref().filter(|_| forms) {
            Some(lines) => {
                let (lines, width) = (lines.side(side), claims.width());
                sum = &sum + &(c * &lines.constants.get(i)?.exact);
                for (k, a) in lines.coefficients.get(i * width..(i + 1) * width)?.iter().enumerate().filter(|(_, a)| !a.exact.is_zero()) {
                    let own = of_inputs.get_mut(first? + k)?;
                    *own = &*own + &(c * &a.exact);
                }
            }
            None => sum = &sum + &(c * &claims.nodes[id].ends.as_ref()?.side(side).get(i)?.exact),
        }
    }
    for (c, (low, high)) in of_inputs.iter().zip(domain).filter(|(c, _)| !c.is_zero()) {
        sum = &sum + &(c * if c.sign() > 0 { high } else { low });
    }
    Some(sum)
}

/// Where the elements of an input node begin among those of all inputs.
fn first_element(graph: &Graph, input: Option<usize>) -> Option<usize> {
    let before = graph.inputs.iter().take_while(|&&id| Some(id) != input);
    Some(before.map(|&id| graph.nodes[id].len()).sum()).filter(|_| input.is_some())
}
