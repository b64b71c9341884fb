//! From a point to a witness: decimals inside the region as written, replayed exactly.

use dashu::rational::RBig;

use super::Witness;
use crate::bounds::{Deployed, Network, Relaxation};
use crate::graph::{Element, Graph};
use crate::numerics::{Decimal, Interval};
use crate::ops::{Operation, Ranges};
use crate::query::{Case, Constraint};

/// Exact rational replay is tried up to this many multiplications.
const MOST_EXACT_WORK: usize = 2_000_000;

/// Turns `point` into a witness of `case` if it breaks the property in the deployed or in the real network.
///
/// `first` is the index of the case's first disjunct in the query.
pub fn replay(graph: &Graph, case: &Case, first: usize, point: &[f64]) -> Option<Witness> {
    let input: Vec<Decimal> =
        point.iter().zip(case.region.ranges.iter()).map(|(&x, r)| decimal_inside(x, r, graph.element)).collect::<Option<_>>()?;
    if !case.region.contains(&input) {
        return None;
    }
    let (rounded, output) = deployed_replay(graph, &input);
    let float = deployed_break(case, &rounded, &output);
    let real = real_break(graph, case, &input, float);
    let disjunct = first + float.or(real)?;
    Some(Witness { input, rounded, output, disjunct, breaks_real: real.is_some(), breaks_float32: float.is_some() })
}

/// True if the region of `case` is one point, at which the real network provably satisfies no disjunct: by exact rationals,
/// so that constraints met exactly are decided, too.
pub fn excludes_point(graph: &Graph, case: &Case) -> bool {
    if !case.region.ranges.iter().all(|r| r.low == r.high) {
        return false;
    }
    let point: Vec<Decimal> = case.region.ranges.iter().map(|r| r.low.clone()).collect();
    if !case.region.contains(&point) {
        return true;
    }
    let Some(output) = exact_output(graph, &point) else { return false };
    let values: Vec<RBig> = point.iter().map(|x| x.to_rational()).chain(output).collect();
    !case.disjuncts.iter().any(|conjuncts| conjuncts.iter().all(|c| c.holds(|i| values[i].clone())))
}

/// The shortest decimal of the element-type number nearest to `x` that lies in the range; any decimal inside where the
/// range holds no such number.
fn decimal_inside(x: f64, range: &crate::query::DecimalRange, element: Element) -> Option<Decimal> {
    let (low, high) = (&range.low, &range.high);
    let inside = match element {
        Element::F32 => {
            let mut number = (x as f32).clamp(low.to_f32(), high.to_f32());
            // Ends are decimals: their nearest f32 may lie just outside.
            if Decimal::from_f64(number as f64)? < *low {
                number = number.next_up();
            } else if Decimal::from_f64(number as f64)? > *high {
                number = number.next_down();
            }
            Decimal::shortest_f32_within(number, low, high)
        }
        Element::F64 => Decimal::shortest_f64_within(x.clamp(low.to_f64_up(), high.to_f64_down()), low, high),
    };
    inside.filter(|d| range.contains(d)).or_else(|| Some(range.clamp(&Decimal::from_f64(x)?)))
}

/// The point rounded to the element type and the network's outputs there, in one stated deployed evaluation.
fn deployed_replay(graph: &Graph, input: &[Decimal]) -> (Vec<f64>, Vec<f64>) {
    match graph.element {
        Element::F32 => {
            let rounded: Vec<f32> = input.iter().map(|x| x.to_f32()).collect();
            let output = graph.output_f32(&rounded);
            (rounded.iter().map(|&x| x as f64).collect(), output.iter().map(|&y| y as f64).collect())
        }
        Element::F64 => {
            let rounded: Vec<f64> = input.iter().map(|x| x.to_f64()).collect();
            let output = graph.output_f64(&rounded);
            (rounded, output)
        }
    }
}

/// The disjunct that the deployed values satisfy exactly.
fn deployed_break(case: &Case, rounded: &[f64], output: &[f64]) -> Option<usize> {
    let values: Vec<Decimal> = rounded.iter().chain(output).map(|&x| Decimal::from_f64(x)).collect::<Option<_>>()?;
    case.disjuncts.iter().position(|conjuncts| conjuncts.iter().all(|c| c.holds_decimal(|i| &values[i])))
}

/// The disjunct that the real network provably satisfies at the decimal point; `preferred` is looked at first.
fn real_break(graph: &Graph, case: &Case, input: &[Decimal], preferred: Option<usize>) -> Option<usize> {
    let order = preferred.into_iter().chain((0..case.disjuncts.len()).filter(|d| Some(*d) != preferred));
    let ranges = real_output(graph, input);
    let order: Vec<usize> = order.collect();
    let proved = |c: &Constraint| interval_of(c, input, &ranges).is_some_and(|g| if c.strict { g.low > 0.0 } else { g.low >= 0.0 });
    let possible = |c: &Constraint| interval_of(c, input, &ranges).is_none_or(|g| g.high >= 0.0);
    if let Some(&d) = order.iter().find(|&&d| case.disjuncts[d].iter().all(proved)) {
        return Some(d);
    }
    if !order.iter().any(|&d| case.disjuncts[d].iter().all(possible)) {
        return None;
    }
    let exact = exact_output(graph, input)?;
    let inputs: Vec<RBig> = input.iter().map(|x| x.to_rational()).collect();
    let value = |i: usize| if i < inputs.len() { inputs[i].clone() } else { exact[i - inputs.len()].clone() };
    order.into_iter().find(|&d| case.disjuncts[d].iter().all(|c| c.holds(value)))
}

/// Rigorous ranges of the real network's outputs at a decimal point.
fn real_output(graph: &Graph, input: &[Decimal]) -> Vec<Interval> {
    let network = Network::new(graph, Deployed::REAL);
    let point = Ranges::collect(input.iter().map(|x| Interval { low: x.to_f64_down(), high: x.to_f64_up() }));
    let relaxation = Relaxation::<f64>::interval(&network, &point);
    graph
        .outputs
        .iter()
        .flat_map(|&o| (0..graph.nodes[o].len()).map(move |i| (o, i)))
        .map(|(o, i)| relaxation.bounds.ranges[o].at(i))
        .collect()
}

/// The range of a constraint's left side; `None` if an index does not exist.
fn interval_of(constraint: &Constraint, input: &[Decimal], outputs: &[Interval]) -> Option<Interval> {
    let outward = |x: &Decimal| Interval { low: x.to_f64_down(), high: x.to_f64_up() };
    let mut sum = outward(&constraint.constant);
    for (element, coefficient) in &constraint.terms {
        let value = match input.get(*element) {
            Some(x) => outward(x),
            None => *outputs.get(element - input.len())?,
        };
        sum = sum + outward(coefficient) * value;
    }
    Some(sum)
}

/// The real network's outputs at a decimal point in exact rationals, where all operators allow it and it is not too long.
fn exact_output(graph: &Graph, input: &[Decimal]) -> Option<Vec<RBig>> {
    let mut work = 0;
    let mut values: Vec<Vec<RBig>> = Vec::with_capacity(graph.nodes.len());
    let mut taken = 0;
    for node in &graph.nodes {
        let operands: Vec<&[RBig]> = node.inputs.iter().map(|&p| &values[p][..]).collect();
        let value = match &node.operation {
            Operation::Input => {
                let part = taken..taken + node.len();
                taken = part.end;
                input[part].iter().map(|x| x.to_rational()).collect()
            }
            Operation::Constant(c) => (0..node.len()).map(|i| dyadic(c.at(i))).collect::<Option<_>>()?,
            Operation::Affine(op) => {
                if op.weight_error() > 0.0 || op.bias_error().is_some() {
                    return None;
                }
                let mut sums = match op.bias() {
                    Some(bias) => (0..node.len()).map(|i| dyadic(bias.at(i))).collect::<Option<Vec<_>>>()?,
                    None => vec![RBig::ZERO; node.len()],
                };
                for (k, operand) in operands.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| {
                        if w != 0.0 && operand[i] != RBig::ZERO && work <= MOST_EXACT_WORK {
                            work += 1;
                            sums[o] += dyadic(w).expect("weights are finite") * &operand[i];
                        }
                    });
                }
                if work > MOST_EXACT_WORK {
                    return None;
                }
                sums
            }
            Operation::Scalar(op) => operands[0].iter().map(|x| op.eval_exact(x)).collect::<Option<_>>()?,
            Operation::General(op) => op.eval_exact(&operands)?,
        };
        values.push(value);
    }
    Some(graph.outputs.iter().flat_map(|&o| values[o].iter().cloned()).collect())
}

fn dyadic(x: f64) -> Option<RBig> {
    RBig::try_from(x).ok()
}
