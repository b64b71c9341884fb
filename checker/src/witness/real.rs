//! Values of the network of real numbers: exact, or in a ball.

use crate::exact::{Rational, Sum, split};
use crate::function::Function;
use crate::network::{Affine, Network, Node, Operation};

/// Products of numbers with more words than this together are refused: their cost grows with the square.
const MOST_WORDS: usize = 2048;
/// Numbers that are not exact are kept to this many words.
const WORDS_KEPT: usize = 4;
/// Integers below this are binary64 numbers.
const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;

const NOT_FINITE: &str = "a number is not finite";

/// All numbers within `radius` of `centre`.
#[derive(Clone)]
pub(super) struct Ball {
    pub centre: Rational,
    pub radius: Rational,
}

/// The outputs of the network of real numbers.
pub(super) fn real_outputs(network: &Network, input: &[Ball]) -> Result<Vec<Ball>, String> {
    let mut values: Vec<Vec<Ball>> = Vec::with_capacity(network.nodes.len());
    let mut next = 0;
    for node in &network.nodes {
        let start = next;
        next += if matches!(node.operation, Operation::Input) { node.len } else { 0 };
        let value = balls(node, &values, &input[start..next]).and_then(|value| value.into_iter().map(shortened).collect());
        let value: Vec<Ball> = value.map_err(|why| format!("node `{}`: {why}", node.name))?;
        if !value.iter().all(|x| x.centre.is_moderate() && x.radius.is_moderate()) {
            return Err(format!("node `{}`: the exact values are too long", node.name));
        }
        values.push(value);
    }
    Ok(network.outputs.iter().flat_map(|&id| values[id].iter().cloned()).collect())
}

/// The values of a node, from those of the nodes before it and of the inputs that it is.
fn balls(node: &Node, values: &[Vec<Ball>], input: &[Ball]) -> Result<Vec<Ball>, &'static str> {
    let of = |k: usize| &values[node.inputs[k]];
    match &node.operation {
        Operation::Input => Ok(input.to_vec()),
        Operation::Constant(numbers) => numbers.iter().map(|&x| exactly(x)).collect(),
        Operation::Affine(affine) => {
            let operands: Vec<&[Ball]> = node.inputs.iter().map(|&id| &values[id][..]).collect();
            affine_balls(affine, &operands, node.len).ok_or(NOT_FINITE)
        }
        Operation::Hinge(slope) => of(0).iter().map(|x| hinge(x, *slope).ok_or(NOT_FINITE)).collect(),
        Operation::Curve(function) => of(0).iter().map(|x| curve(*function, x)).collect(),
        Operation::Product => (0..node.len).map(|j| product(&of(0)[j], &of(0)[node.len + j])).collect(),
        Operation::Maximum(groups) => {
            groups.iter().map(|group| greatest(group.iter().map(|&i| &of(0)[i as usize])).ok_or(NOT_FINITE)).collect()
        }
    }
}

fn exactly(x: f64) -> Result<Ball, &'static str> {
    Ok(Ball { centre: Rational::from_f64(x).ok_or(NOT_FINITE)?, radius: Rational::ZERO })
}

/// A ball around `x` of fewer digits, unless `x` is exact.
fn shortened(x: Ball) -> Result<Ball, &'static str> {
    if x.radius.is_zero() || x.centre.words().max(x.radius.words()) <= WORDS_KEPT {
        return Ok(x);
    }
    let centre = x.centre.nearest_f64().and_then(Rational::from_f64).ok_or(NOT_FINITE)?;
    let radius = x.radius.plus(&x.centre.minus(&centre).size()).up();
    Ok(Ball { centre, radius: Rational::from_f64(radius).ok_or(NOT_FINITE)? })
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

/// `a b`: `|a' b' - a b| <= |a| r_b + |b| r_a + r_a r_b` for a' and b' in the balls.
fn product(a: &Ball, b: &Ball) -> Result<Ball, &'static str> {
    if a.centre.words() + b.centre.words() > MOST_WORDS {
        return Err("the exact values are too long to multiply");
    }
    let radius = a.centre.size().times(&b.radius).plus(&b.centre.size().times(&a.radius)).plus(&a.radius.times(&b.radius));
    Ok(Ball { centre: a.centre.times(&b.centre), radius })
}

/// A function of all numbers of a ball; powers, whole parts and limits of exact numbers are exact.
fn curve(function: Function, x: &Ball) -> Result<Ball, &'static str> {
    let (low, high) = (x.centre.minus(&x.radius), x.centre.plus(&x.radius));
    match function {
        Function::Power(n) => (1..n).try_fold(x.clone(), |power, _| shortened(product(&power, x)?)),
        Function::Floor => {
            // Below 2^53 no integer lies between a number and the binary64 below it.
            let (low, high) = (low.down(), high.down());
            match low.abs().max(high.abs()) < MOST_WHOLE {
                true => between(low.floor(), high.floor()),
                false => Err("a number is too large for its whole part"),
            }
        }
        Function::Clip(low, high) => {
            // No end where it is infinite; moves at most as far as `x`.
            let (low, high) = (Rational::from_f64(low), Rational::from_f64(high));
            let raised = low.map_or(x.centre.clone(), |low| x.centre.clone().max(low));
            Ok(Ball { centre: high.map_or(raised.clone(), |high| raised.min(high)), radius: x.radius.clone() })
        }
        _ => {
            let (low, high) = function.range(low.down(), high.up());
            between(low, high)
        }
    }
}

/// The ball from `low` to `high`.
fn between(low: f64, high: f64) -> Result<Ball, &'static str> {
    let (low, high) = (exactly(low)?.centre, exactly(high)?.centre);
    let half = exactly(0.5)?.centre;
    Ok(Ball { centre: low.plus(&high).times(&half), radius: high.minus(&low).times(&half) })
}
