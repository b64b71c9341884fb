//! Exact replay of a counterexample: the point lies in a case's region as written, and the network's outputs there satisfy one
//! of its disjuncts. A margin of exactly 0 is enough for a constraint that is not strict.

use crate::Semantics;
use crate::exact::{Rational, Sum, split};
use crate::network::{Affine, Network, Operation};
use crate::query::{Case, Constraint, Query};

/// Replays the point given as decimals, one per input element.
///
/// `real`: in exact arithmetic; weights that the file does not hold as numbers (see [`Affine::relative_error`]) are enclosed, and
/// the constraint must hold for all of the enclosure. `float32`: the point is rounded to the network's element type, and every
/// node evaluated in it, left to right, without fused multiply-add, the bias last; the disjunct must hold exactly for the
/// rounded point and these outputs. The error says what fails.
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

/// All numbers within `radius` of `centre`.
struct Ball {
    centre: Rational,
    radius: Rational,
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

/// The outputs of the network of real numbers.
fn real_outputs(network: &Network, input: &[Ball]) -> Result<Vec<Ball>, String> {
    let mut values: Vec<Vec<Ball>> = Vec::with_capacity(network.nodes.len());
    let mut next = 0;
    for node in &network.nodes {
        let of = |k: usize| &values[node.inputs[k]];
        let value: Option<Vec<Ball>> = match &node.operation {
            Operation::Input => {
                next += node.len;
                Some(input[next - node.len..next].iter().map(|x| Ball { centre: x.centre.clone(), radius: Rational::ZERO }).collect())
            }
            Operation::Constant(numbers) => {
                numbers.iter().map(|&x| Some(Ball { centre: Rational::from_f64(x)?, radius: Rational::ZERO })).collect()
            }
            Operation::Affine(affine) => affine_balls(affine, &node.inputs.iter().map(|&id| &values[id][..]).collect::<Vec<_>>(), node.len),
            Operation::Hinge(slope) => of(0).iter().map(|x| hinge(x, *slope)).collect(),
            Operation::Curve(_) | Operation::Product => return Err(format!("node `{}`: no rule yet", node.name)),
            Operation::Maximum(groups) => groups.iter().map(|group| greatest(group.iter().map(|&i| &of(0)[i as usize]))).collect(),
        };
        let value = value.ok_or_else(|| format!("node `{}` holds a number that is not finite", node.name))?;
        if !value.iter().all(|x| x.centre.is_moderate() && x.radius.is_moderate()) {
            return Err(format!("node `{}`: the exact values are too long", node.name));
        }
        values.push(value);
    }
    let mut outputs = Vec::new();
    for &id in &network.outputs {
        outputs.extend(values[id].iter().map(|x| Ball { centre: x.centre.clone(), radius: x.radius.clone() }));
    }
    Ok(outputs)
}

/// `|sum of true weights times values - sum of weights times centres| <= sum |w| ((1 + e) radius + e |centre|)`.
fn affine_balls(affine: &Affine, operands: &[&[Ball]], len: usize) -> Option<Vec<Ball>> {
    let error = Rational::from_f64(affine.relative_error)?;
    let one = [Ball { centre: Rational::one(), radius: Rational::ZERO }];
    // What a unit of weight adds to the radius.
    let spread = |x: &Ball| x.radius.plus(&error.times(&x.radius.plus(&x.centre.size())));
    let rounded = affine.relative_error != 0.0 || operands.iter().any(|operand| operand.iter().any(|x| !x.radius.is_zero()));
    let spreads: Vec<Vec<Rational>> = match rounded {
        true => operands.iter().map(|operand| operand.iter().map(spread).collect()).collect(),
        false => operands.iter().map(|_| Vec::new()).collect(),
    };
    let bias_spread = spread(&one[0]);
    let numbers =
        operands.iter().flat_map(|operand| operand.iter().map(|x| &x.centre)).chain(spreads.iter().flatten()).chain([&bias_spread]);
    let (mut twos, mut fives, mut least) = (0, 0, 0);
    for (two, five) in numbers.filter(|x| !x.is_zero()).map(Rational::exponents) {
        (twos, fives) = (twos.min(two), fives.min(five));
    }
    let mut note = |w: f64| least = split(w).map_or(least, |(size, exponent)| if size == 0 { least } else { least.min(exponent) });
    affine.bias.iter().for_each(|&b| note(b));
    affine.parts.iter().for_each(|part| (0..len).for_each(|o| part.each_term(o, len, |_, w| note(w))));
    let ball = |o: usize| {
        let (mut centre, mut radius, mut finite) = (Sum::new(least + twos, fives), Sum::new(least + twos, fives), true);
        for ((part, operand), spreads) in affine.parts.iter().zip(operands).zip(&spreads) {
            part.each_term(o, len, |i, w| {
                finite &= centre.add(w, &operand[i].centre) && (!rounded || radius.add(w.abs(), &spreads[i]));
            });
        }
        if let Some(&b) = affine.bias.get(o) {
            finite &= centre.add(b, &one[0].centre) && radius.add(b.abs(), &bias_spread);
        }
        finite.then(|| Ball { centre: centre.total(), radius: radius.total() })
    };
    (0..len).map(ball).collect()
}

/// `max(a, s a)`, which moves at most as far as `a`.
fn hinge(x: &Ball, slope: f64) -> Option<Ball> {
    let centre = if x.centre.sign() < 0 { x.centre.times(&Rational::from_f64(slope)?) } else { x.centre.clone() };
    (slope.abs() <= 1.0).then(|| Ball { centre, radius: x.radius.clone() })
}

/// The maximum, which moves at most as far as one of its elements.
fn greatest<'a>(group: impl Iterator<Item = &'a Ball> + Clone) -> Option<Ball> {
    let (centre, radius) = (group.clone().map(|x| &x.centre).max()?, group.map(|x| &x.radius).max()?);
    Some(Ball { centre: centre.clone(), radius: radius.clone() })
}

/// The outputs at `input` (as many numbers as the network has input elements) in the element type of the network, every
/// operation rounded to nearest; all values must be finite.
pub fn deployed_outputs(network: &Network, input: &[f64]) -> Result<Vec<f64>, String> {
    // A sum or product of two binary32 numbers, rounded to binary64 and then to binary32, is rounded correctly.
    let round = |x: f64| if network.double { x } else { f64::from(x as f32) };
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(network.nodes.len());
    let mut next = 0;
    for node in &network.nodes {
        let value: Vec<f64> = match &node.operation {
            Operation::Input => {
                next += node.len;
                input[next - node.len..next].to_vec()
            }
            Operation::Constant(numbers) => numbers.iter().map(|&x| round(x)).collect(),
            Operation::Affine(affine) => {
                let element = |o: usize| {
                    let mut sum = 0.0;
                    for (part, &id) in affine.parts.iter().zip(&node.inputs) {
                        part.each_term(o, node.len, |i, w| sum = round(sum + round(round(w) * values[id][i])));
                    }
                    affine.bias.get(o).map_or(sum, |&b| round(sum + round(b)))
                };
                (0..node.len).map(element).collect()
            }
            Operation::Hinge(slope) => values[node.inputs[0]].iter().map(|&a| if a < 0.0 { round(round(*slope) * a) } else { a }).collect(),
            Operation::Curve(_) | Operation::Product => return Err(format!("node `{}`: no rule yet", node.name)),
            Operation::Maximum(groups) => {
                let greatest =
                    |group: &Vec<u32>| group.iter().map(|&i| values[node.inputs[0]][i as usize]).fold(f64::NEG_INFINITY, f64::max);
                groups.iter().map(greatest).collect()
            }
        };
        if !value.iter().all(|x| x.is_finite()) {
            return Err(format!("node `{}`: a value is not finite", node.name));
        }
        values.push(value);
    }
    Ok(network.outputs.iter().flat_map(|&id| values[id].iter().copied()).collect())
}
