//! Laws of scalar operators: intervals enclose, offsets dominate, for every slope and every interval.

use engine::numerics::Interval;
use engine::ops::examples::examples;
use engine::ops::{Operation, Scalar};
use proptest::prelude::*;

use crate::reference::{Enclosed, dominates, exact, value};
use crate::samples::{Dice, intervals, points, slopes};

fn scalars() -> Vec<Box<dyn Scalar>> {
    let scalar = |operation| if let Operation::Scalar(op) = operation { Some(op) } else { None };
    examples().into_iter().filter_map(|e| scalar(e.operation)).collect()
}

/// The operator's values at points of its domain.
fn valued(op: &dyn Scalar, points: impl IntoIterator<Item = f64>) -> Vec<(f64, Enclosed)> {
    points.into_iter().filter_map(|a| Some((a, value(op, a)?))).collect()
}

fn assert_interval_encloses(op: &dyn Scalar, x: Interval, values: &[(f64, Enclosed)]) {
    let y = op.interval(x);
    assert!(y.low <= y.high && y.low < f64::INFINITY && y.high > f64::NEG_INFINITY, "{op:?} on {x:?}: {y:?}");
    for (a, f) in values {
        // The true value lies in `f`, which is 2^-200 wide: only a definite violation fails.
        assert!(y.low == f64::NEG_INFINITY || f.high.as_ref().is_none_or(|h| exact(y.low) <= *h), "{op:?} on {x:?} at {a}: low of {y:?}");
        assert!(dominates(y.high, &f.low), "{op:?} on {x:?} at {a}: high of {y:?}");
    }
}

fn assert_offsets_dominate(op: &dyn Scalar, x: Interval, t: f64, values: &[(f64, Enclosed)]) {
    let (upper, lower) = (op.upper_offset(t, x), op.lower_offset(t, x));
    if !t.is_finite() {
        let claims_nothing = |b: f64| b.is_nan() || b == f64::INFINITY;
        assert!(claims_nothing(upper) && claims_nothing(lower), "{op:?} on {x:?}, slope {t}: {upper} {lower}");
        return;
    }
    for (a, f) in values {
        let about = f.about;
        if !clearly_above(upper, about, -t * a) {
            let above = f.low.clone() - exact(t) * exact(*a);
            assert!(dominates(upper, &above), "{op:?} on {x:?}, slope {t}, at {a}: upper offset {upper}");
        }
        let Some(high) = f.high.as_ref().filter(|_| !clearly_above(lower, -about, t * a)) else { continue };
        assert!(dominates(lower, &(exact(t) * exact(*a) - high)), "{op:?} on {x:?}, slope {t}, at {a}: lower offset {lower}");
    }
}

/// True only if `bound` exceeds the sum by far more than floating-point errors: then exact arithmetic would only take time.
fn clearly_above(bound: f64, x: f64, y: f64) -> bool {
    let size = x.abs() + y.abs();
    size < 1e300 && size > 1e-280 && bound - (x + y) > 1e-9 * size
}

/// Own slopes are finite, and lie in the ranges given for optimisation up to heuristics; touches lie inside.
fn assert_choices_are_usable(op: &dyn Scalar, x: Interval, t: f64) {
    for slope in [op.upper_slope(x), op.lower_slope(x)] {
        assert!(slope.is_finite() || !(x.high - x.low).is_finite(), "{op:?} on {x:?}: slope {slope}");
    }
    for (low, high) in [op.upper_slope_range(x), op.lower_slope_range(x)] {
        assert!(low <= high || !(x.high - x.low).is_finite(), "{op:?} on {x:?}: {low} to {high}");
    }
    if t.is_finite() && x.middle().is_finite() {
        for touch in [op.upper_touch(t, x, x.middle()), op.lower_touch(t, x, x.low)] {
            assert!(x.contains(touch), "{op:?} on {x:?}, slope {t}: touch {touch}");
        }
    }
}

#[test]
fn laws_hold_on_hostile_intervals_and_slopes() {
    for op in scalars() {
        let mut dice = Dice::new(1);
        for x in intervals(&mut dice, 60) {
            let values = valued(&*op, points(&mut dice, x, 4));
            assert_interval_encloses(&*op, x, &values);
            for t in slopes(&mut dice) {
                assert_offsets_dominate(&*op, x, t, &values);
                assert_choices_are_usable(&*op, x, t);
            }
        }
    }
}

/// An offset must hold at the point where it is nearly attained, too: around the touch, and with its own slopes.
#[test]
fn offsets_dominate_near_their_touch() {
    for op in scalars() {
        let mut dice = Dice::new(2);
        for _ in 0..300 {
            let (a, b) = (dice.number(), dice.number());
            let Some(x) = Interval::new(a.min(b), a.max(b)) else { continue };
            for t in [op.upper_slope(x), op.lower_slope(x), dice.unit(), dice.number()] {
                let touches = [op.upper_touch(t, x, x.middle()), op.lower_touch(t, x, x.middle())];
                let near = touches.into_iter().flat_map(|a| [a, a.next_up(), a.next_down(), a + 1e-9, a - 1e-9]).filter(|&a| x.contains(a));
                let values = valued(&*op, near);
                assert_offsets_dominate(&*op, x, t, &values);
            }
        }
    }
}

/// Not soundness but use: on moderate intervals an offset is attained up to rounding, and CROWN's line is better than the interval.
#[test]
fn offsets_are_tight_on_moderate_intervals() {
    for op in scalars() {
        let mut dice = Dice::new(3);
        for _ in 0..300 {
            let (a, b) = (4.0 * dice.unit() - 2.0, 3.0 * dice.unit());
            let x = Interval { low: a, high: a + b };
            if !op.interval(x).magnitude().is_finite() {
                continue;
            }
            for t in [op.upper_slope(x), op.lower_slope(x), dice.unit()] {
                let touch = op.upper_touch(t, x, x.middle());
                let reached = op.interval(Interval::point(touch)).high - t * touch;
                let bound = op.upper_offset(t, x);
                assert!(
                    bound <= reached + 1.0001 * jump(&*op) + 1e-6,
                    "{op:?} on {x:?}, slope {t}: {bound} where {reached} is reached at {touch}"
                );
            }
            let at_middle = op.upper_offset(op.upper_slope(x), x) + op.upper_slope(x) * x.middle();
            let below = -op.lower_offset(op.lower_slope(x), x) + op.lower_slope(x) * x.middle();
            let y = op.interval(x);
            assert!(at_middle <= y.high + 1e-6 && below >= y.low - 1e-6, "{op:?} on {x:?}: line {below} to {at_middle}, interval {y:?}");
        }
    }
}

/// Height of a discontinuous operator's jumps.
fn jump(op: &dyn Scalar) -> f64 {
    match op.name() {
        "Sign" => 2.0,
        "Floor" | "Ceil" | "Round" => 1.0,
        _ => 0.0,
    }
}

/// Where a hinge is claimed, it is the function.
#[test]
fn hinges_are_what_they_say() {
    for op in scalars() {
        let Some(s) = op.hinge() else { continue };
        assert!(s <= 1.0, "{op:?}");
        for a in [-3.5, -1e-300, 0.0, 5e-324, 7.25] {
            let expected = if a >= 0.0 { exact(a) } else { exact(s) * exact(a) };
            assert_eq!(op.eval_exact(&exact(a)), Some(expected), "{op:?} at {a}");
        }
    }
}

/// The deployed function as we evaluate it keeps the promise made for all deployed functions.
#[test]
fn own_deployed_evaluation_keeps_its_error() {
    for op in scalars() {
        let mut dice = Dice::new(4);
        for x in (0..3000).map(|_| dice.number() as f32) {
            let (y, Some(f)) = (op.eval_f32(x), value(&*op, x as f64)) else { continue };
            let Some(high) = f.high.filter(|_| y.is_finite()) else { continue };
            let size = if f.low < exact(0.0) { -f.low.clone() } else { high.clone() };
            let error = op.deployed_error();
            let allowed = exact(error.absolute) + exact(error.relative) * size;
            let y = exact(y as f64);
            assert!(y.clone() - &high <= allowed && f.low - y <= allowed, "{op:?} at {x}");
        }
    }
}

/// A subproblem without points may have crossed ends: no rule may panic on them.
#[test]
fn crossed_ends_do_not_panic() {
    for op in scalars() {
        for (low, high) in [(1.0, -1.0), (0.5, 0.25), (f64::INFINITY, f64::NEG_INFINITY), (7.5, -20.0), (f64::NAN, 1.0)] {
            let x = Interval { low, high };
            let _ = (op.interval(x), op.upper_slope(x), op.lower_slope(x), op.upper_slope_range(x), op.lower_slope_range(x));
            for t in [0.0, 0.5, -1.0, f64::NAN] {
                let _ = (op.upper_offset(t, x), op.lower_offset(t, x), op.upper_touch(t, x, 0.0), op.lower_touch(t, x, f64::NAN));
            }
        }
    }
}

#[test]
fn nan_operands_are_not_swallowed() {
    for op in scalars() {
        assert!(op.eval(f64::NAN).is_nan() && op.eval_f32(f32::NAN).is_nan(), "{op:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn laws_hold_on_any_bits(low in any::<f64>(), high in any::<f64>(), t in any::<f64>(), share in 0.0..1.0f64) {
        let Some(x) = Interval::new(low.min(high), low.max(high)) else { return Ok(()) };
        let inside = (x.low.max(f64::MIN) * (1.0 - share) + x.high.min(f64::MAX) * share).clamp(x.low, x.high);
        for op in scalars() {
            let finite = [x.low, x.high, inside].into_iter().filter(|a| a.is_finite());
            let values = valued(&*op, finite);
            assert_interval_encloses(&*op, x, &values);
            assert_offsets_dominate(&*op, x, t, &values);
        }
    }

    #[test]
    fn laws_hold_on_ordinary_numbers(low in -8.0..8.0f64, width in 0.0..8.0f64, t in -2.0..2.0f64, share in 0.0..1.0f64) {
        let x = Interval { low, high: low + width };
        let inside = (low + share * width).min(x.high);
        for op in scalars() {
            let values = valued(&*op, [x.low, x.high, inside]);
            assert_interval_encloses(&*op, x, &values);
            assert_offsets_dominate(&*op, x, t, &values);
        }
    }
}
