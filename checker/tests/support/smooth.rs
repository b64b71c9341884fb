//! Functions that are not piecewise linear, and products: in random networks, exactly (or as nearly as the mathematical library
//! says, which errs by less than any enclosure is wide), and as deployed.

use super::{Builder, Random, exact, less};
use checker::exact::Rational;
use checker::function::Function;
use checker::network::{Linear, Operation};

/// All functions, powers of several exponents.
pub const FUNCTIONS: [Function; 12] = [
    Function::Sigmoid,
    Function::Tanh,
    Function::Sine,
    Function::Cosine,
    Function::Power(2),
    Function::Power(3),
    Function::Power(5),
    Function::Reciprocal,
    Function::Floor,
    Function::Clip(0.0, 6.0),
    Function::Clip(f64::NEG_INFINITY, 0.25),
    Function::Clip(-1e9, f64::INFINITY),
];

/// Some function of `at`; what is divided by stays away from 0 where the network is not hostile.
pub fn random_curve(b: &mut Builder, at: usize, random: &mut Random) -> usize {
    let (len, function) = (b.len(at), FUNCTIONS[random.below(FUNCTIONS.len())]);
    let at = match function {
        Function::Reciprocal => {
            let size = b.node(len, vec![at], Operation::Hinge(-1.0));
            b.affine(vec![(size, Linear::Scale(vec![1.0; len]))], len, vec![0.25; len])
        }
        _ => at,
    };
    b.node(len, vec![at], Operation::Curve(function))
}

/// Products of elements of `at` with others of it.
pub fn random_product(b: &mut Builder, at: usize, random: &mut Random) -> usize {
    let (len, turn) = (b.len(at), random.below(4));
    let factors = (0..2 * len).map(|i| ((i + if i < len { 0 } else { turn }) % len) as u32).collect();
    let both = b.affine(vec![(at, Linear::Select(factors))], 2 * len, vec![]);
    b.node(len, vec![both], Operation::Product)
}

/// `f(a)`.
pub fn value(function: Function, a: &Rational) -> Rational {
    let near = a.nearest_f64().expect("finite");
    match function {
        Function::Sigmoid if near < 0.0 => exact(near.exp() / (1.0 + near.exp())),
        Function::Sigmoid => exact(1.0 / (1.0 + (-near).exp())),
        Function::Tanh => exact(near.tanh()),
        Function::Sine => exact(near.sin()),
        Function::Cosine => exact(near.cos()),
        Function::Power(n) => (1..n).fold(a.clone(), |p, _| p.times(a)),
        Function::Reciprocal => {
            // One step of Newton's method leaves an error far below a unit in the last place.
            let first = exact(1.0 / near);
            let rest = exact(1.0).minus(&first.times(a)).times(&first);
            first.plus(&exact(rest.nearest_f64().expect("finite")))
        }
        // No integer lies between a number and the nearest binary64 below it.
        Function::Floor => exact(a.down().floor()),
        Function::Clip(low, _) if low.is_finite() && less(a, &exact(low)) => exact(low),
        Function::Clip(_, high) if high.is_finite() && less(&exact(high), a) => exact(high),
        Function::Clip(..) => a.clone(),
    }
}

/// What some library might give.
pub fn deployed(function: Function, a: f32, random: &mut Random) -> f32 {
    let a = f64::from(a);
    if !a.is_finite() {
        return f32::NAN;
    }
    let (relative, absolute) = match function {
        Function::Sigmoid => (0.0, 3e-7),
        Function::Tanh => (0.0, 5e-7),
        Function::Sine | Function::Cosine => (0.0, 2e-7),
        Function::Power(n) => (f64::from(n) * 6e-8, 0.0),
        Function::Reciprocal => (1.2e-7, 0.0),
        Function::Floor | Function::Clip(..) => (0.0, 0.0),
    };
    let value = match function {
        Function::Reciprocal if a == 0.0 => return f32::NAN,
        Function::Power(n) => a.powi(n.into()),
        _ => value(function, &exact(a)).nearest_f64().expect("finite"),
    };
    let sign = [-1.0, 0.0, 1.0][random.below(3)];
    (value + sign * (relative * value.abs() + absolute)) as f32
}
