//! Enclosures of elementary functions contain the value that 256-bit arithmetic finds.

use engine::numerics::{Interval, elementary};

use crate::reference::{self, Enclosed, dominates, exact};
use crate::samples::{Dice, HOSTILE};

fn assert_encloses(name: &str, x: f64, y: Interval, f: &Enclosed) {
    assert!(dominates(y.high, &f.low), "{name} {x}: {y:?}");
    assert!(y.low == f64::NEG_INFINITY || f.high.as_ref().is_none_or(|h| exact(y.low) <= *h), "{name} {x}: {y:?}");
}

#[test]
fn elementary_functions_are_enclosed() {
    type Pair = (&'static str, fn(f64) -> Interval, fn(f64) -> Enclosed);
    let pairs: [Pair; 6] = [
        ("exp", elementary::exp, reference::exp),
        ("sigmoid", elementary::sigmoid, reference::sigmoid),
        ("tanh", elementary::tanh, reference::tanh),
        ("softplus", elementary::softplus, reference::softplus),
        ("sin", elementary::sin, reference::sin),
        ("cos", elementary::cos, reference::cos),
    ];
    let mut dice = Dice::new(5);
    let mut numbers: Vec<f64> = HOSTILE.into_iter().filter(|x| x.is_finite()).collect();
    numbers.extend([-745.0, -744.3, -708.5, -709.0, 709.7, 709.69, 0.17, 0.34999, 0.35, 0.3501, 36.0, 1.6e6, 1e5, 22.0, 355.0]);
    numbers.extend((0..1500).map(|_| dice.number()));
    numbers.extend((0..300).map(|_| 1e5 * dice.number()));
    numbers.extend((-20..20).map(|k| k as f64 * std::f64::consts::FRAC_PI_2));
    numbers.extend((-20..20).map(|k| k as f64 * std::f64::consts::LN_2 / 2.0));
    for (name, ours, truth) in pairs {
        for &x in &numbers {
            assert_encloses(name, x, ours(x), &truth(x));
        }
    }
}

#[test]
fn differences_from_one_are_enclosed() {
    let mut dice = Dice::new(6);
    for _ in 0..1000 {
        let (x, e) = (dice.number().clamp(-700.0, 700.0), dice.unit());
        assert_encloses("exp_m1", x, elementary::exp_m1(x), &reference::around(reference::big(x).exp_m1()));
        assert_encloses("ln_1p", e, elementary::ln_1p(e), &reference::around(reference::big(e).ln_1p()));
    }
}

#[test]
fn pi_is_enclosed() {
    // 3.14159265358979323846 < pi < 3.14159265358979323847
    let digits =
        |last: u64| dashu::rational::RBig::from_parts((314159265358979323840u128 + last as u128).into(), 100000000000000000000u128.into());
    assert!(exact(elementary::PI.low) < digits(6) && digits(7) < exact(elementary::PI.high));
}
