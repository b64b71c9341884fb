//! What functions really are: exact rationals, or enclosures of 200 bits from dashu's correctly rounded arithmetic.

use dashu::float::{FBig, round::mode::HalfEven};
use dashu::integer::IBig;
use dashu::rational::RBig;
use engine::ops::{General, Scalar};

/// The exact value of a finite number.
pub fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("finite")
}

/// An enclosure of a real number; `high` is `None` for plus infinity.
#[derive(Clone, Debug)]
pub struct Enclosed {
    pub low: RBig,
    pub high: Option<RBig>,
    /// Nearly `low`.
    pub about: f64,
}

impl Enclosed {
    pub fn between(low: RBig, high: Option<RBig>) -> Enclosed {
        let about = low.to_f64().value();
        Enclosed { low, high, about }
    }

    pub fn exactly(x: RBig) -> Enclosed {
        Enclosed::between(x.clone(), Some(x))
    }
}

const BITS: usize = 256;

type Big = FBig<HalfEven, 2>;

pub fn big(x: f64) -> Big {
    Big::try_from(x).expect("finite").with_precision(BITS).value()
}

/// `y` and 2^-200 of it (at least 2^-1300) to both sides.
pub fn around(y: Big) -> Enclosed {
    let y = RBig::try_from(y).expect("finite");
    let size = if y < RBig::ZERO { -y.clone() } else { y.clone() };
    let by = (size + RBig::from_parts(IBig::ONE, dashu::integer::UBig::ONE << 1100)) / RBig::from(IBig::ONE << 200);
    Enclosed::between(y.clone() - &by, Some(y + by))
}

/// `e^x`, cut off where it leaves sensible numbers.
pub fn exp(x: f64) -> Enclosed {
    match x {
        x if x > 1000.0 => Enclosed::between(around(big(1000.0).exp()).low, None),
        x if x < -1000.0 => Enclosed::between(RBig::ZERO, around(big(-1000.0).exp()).high),
        x => around(big(x).exp()),
    }
}

pub fn sigmoid(x: f64) -> Enclosed {
    if x.abs() > 1000.0 {
        let tiny = exp(-1000.0).high.expect("finite");
        let (low, high) = if x > 0.0 { (RBig::ONE - tiny, RBig::ONE) } else { (RBig::ZERO, tiny) };
        return Enclosed::between(low, Some(high));
    }
    around(big(1.0) / (big(1.0) + (-big(x)).exp()))
}

pub fn tanh(x: f64) -> Enclosed {
    if x.abs() <= 1000.0 {
        return around(big(x).tanh());
    }
    let near = RBig::ONE - exp(-1000.0).high.expect("finite");
    let (low, high) = if x > 0.0 { (near, RBig::ONE) } else { (-RBig::ONE, -near) };
    Enclosed::between(low, Some(high))
}

pub fn softplus(x: f64) -> Enclosed {
    match x {
        x if x > 1000.0 => Enclosed::between(exact(x), Some(exact(x) + exp(-x).high.expect("below 1"))),
        x if x < -1000.0 => exp(x),
        x => around(big(x).exp().with_precision(BITS).value().ln_1p()),
    }
}

pub fn sin(x: f64) -> Enclosed {
    if x.abs() > 1e18 { Enclosed::between(-RBig::ONE, Some(RBig::ONE)) } else { around(big(x).sin()) }
}

pub fn cos(x: f64) -> Enclosed {
    if x.abs() > 1e18 { Enclosed::between(-RBig::ONE, Some(RBig::ONE)) } else { around(big(x).cos()) }
}

/// The operator's real value: exact where the operator says so itself, else from the table here; `None` where it has none.
pub fn value(op: &dyn Scalar, x: f64) -> Option<Enclosed> {
    if let Some(y) = op.eval_exact(&exact(x)) {
        return Some(Enclosed::exactly(y));
    }
    Some(match op.name() {
        "Reciprocal" if x == 0.0 => return None,
        "Sigmoid" => sigmoid(x),
        "Tanh" => tanh(x),
        "Exp" => exp(x),
        "Softplus" => softplus(x),
        "Sin" => sin(x),
        "Cos" => cos(x),
        other => panic!("no reference for {other}: give it eval_exact or a line here"),
    })
}

/// True if `bound`, where it is a claim at all, is at least `x`. NaN and plus infinity claim nothing; minus infinity is wrong.
pub fn dominates(bound: f64, x: &RBig) -> bool {
    bound.is_nan() || bound == f64::INFINITY || bound.is_finite() && exact(bound) >= *x
}

/// The general operator's real values at a point, or `None` where it is not defined there.
pub fn general_value(op: &dyn General, point: &[Vec<f64>]) -> Option<Vec<Enclosed>> {
    let rational: Vec<Vec<RBig>> = point.iter().map(|v| v.iter().map(|&x| exact(x)).collect()).collect();
    let operands: Vec<&[RBig]> = rational.iter().map(|v| &v[..]).collect();
    if let Some(values) = op.eval_exact(&operands) {
        return Some(values.into_iter().map(Enclosed::exactly).collect());
    }
    match op.name() {
        "Softmax" => softmax(op, &point[0]),
        "Div" if rational[1].contains(&RBig::ZERO) => None,
        other => panic!("no reference for {other}: give it eval_exact or a line here"),
    }
}

/// Which elements share a sum is found by trying, as the test does not know the axis.
fn softmax(op: &dyn General, x: &[f64]) -> Option<Vec<Enclosed>> {
    if x.iter().any(|x| x.abs() > 300.0) {
        return None;
    }
    let evaluated = |x: &[f64]| {
        let mut y = vec![0.0; x.len()];
        op.eval(&[x], &mut y);
        y
    };
    let flat = evaluated(&vec![0.0; x.len()]);
    let value = |i: usize| {
        let mut peak = vec![0.0; x.len()];
        peak[i] = 5.0;
        let group = evaluated(&peak).into_iter().zip(&flat).enumerate().filter(|(_, (p, f))| p != *f).map(|(j, _)| j);
        let sum = group.filter(|&j| j != i).map(|j| (big(x[j]) - big(x[i])).with_precision(BITS).value().exp());
        around(big(1.0) / sum.fold(big(1.0), |a, b| a + b))
    };
    Some((0..x.len()).map(value).collect())
}
