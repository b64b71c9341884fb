//! Enclosures of functions, and lines and planes above and below them: on random and hostile intervals, in exact arithmetic.

mod support;

use checker::curve::{Curve, Lines, Planes};
use checker::exact::Rational;
use checker::function::Function;
use support::smooth::{FUNCTIONS, value};
use support::{Random, exact, less};

const HOSTILE: [f64; 18] =
    [0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-30, -1e-30, 0.5, -0.5, 1.0, -1.0, 3.0, 36.0, -36.0, 700.0, -745.0, 1023.5, 1e9];

fn random_number(random: &mut Random) -> f64 {
    match random.below(4) {
        0 => HOSTILE[random.below(HOSTILE.len())],
        1 => random.unit() * 40.0,
        2 => random.unit() * 1e-3,
        _ => random.unit() * 3.0,
    }
}

/// An interval, of any width, also none.
fn random_interval(random: &mut Random) -> (f64, f64) {
    // Also far from 0, where the ends of a line are differences of large numbers.
    let a = if random.below(4) == 0 { 1e9 * random.unit() } else { random_number(random) };
    let b = random_number(random);
    let b = [a, b, a + 1e-9 * b, a.next_up(), a + 0.1 * b][random.below(5)];
    (a.min(b), a.max(b))
}

fn inside(random: &mut Random, (low, high): (f64, f64)) -> f64 {
    match random.below(4) {
        0 => low,
        1 => high,
        2 => (low + (high - low) * random.below(33) as f64 / 32.0).clamp(low, high),
        _ => (low + (high - low) * random.unit().abs()).clamp(low, high),
    }
}

/// `f(a) <= slope a + constant`, or the other way round.
fn assert_beside(function: Function, a: f64, (slope, constant): (f64, f64), above: bool) {
    if !slope.is_finite() || !constant.is_finite() {
        return;
    }
    let (line, here) = (exact(slope).times(&exact(a)).plus(&exact(constant)), value(function, &exact(a)));
    let wrong = if above { less(&line, &here) } else { less(&here, &line) };
    assert!(!wrong, "{function:?} at {a:e}: {:?}, the line {slope:e} a + {constant:e}, above: {above}", here.nearest_f64());
}

fn assert_in(x: &Rational, (low, high): (f64, f64), what: &str) {
    assert!(low == f64::NEG_INFINITY || !less(x, &exact(low)), "{what}: {:?} < {low:e}", x.nearest_f64());
    assert!(high == f64::INFINITY || !less(&exact(high), x), "{what}: {:?} > {high:e}", x.nearest_f64());
}

fn defined(function: Function, (low, high): (f64, f64)) -> bool {
    // Subnormal numbers have no reciprocal in binary64.
    function != Function::Reciprocal || low > 1e-300 || high < -1e-300
}

#[test]
fn values_ranges_and_lines_hold_on_random_intervals() {
    let (mut random, mut finite) = (Random(1), 0);
    for function in FUNCTIONS {
        for _ in 0..4000 {
            let on = random_interval(&mut random);
            if !defined(function, on) {
                continue;
            }
            let (range, lines) = (function.range(on.0, on.1), Lines::of(function, on.0, on.1));
            finite += (lines.upper.1.is_finite() && lines.lower.1.is_finite()) as usize;
            let (curve, share) = (Curve::new(function, on.0, on.1), random.below(256) as f64 / 255.0);
            let own = (curve.upper(share), curve.lower(share));
            for _ in 0..6 {
                let a = inside(&mut random, on);
                let y = value(function, &exact(a));
                assert_in(&y, function.at(a), &format!("{function:?} at {a:e}"));
                assert_in(&y, range, &format!("{function:?} on {on:?}"));
                assert_in(&y, lines.range, &format!("{function:?} on {on:?} in pieces"));
                assert_beside(function, a, lines.upper, true);
                assert_beside(function, a, lines.lower, false);
                assert_beside(function, a, own.0, true);
                assert_beside(function, a, own.1, false);
            }
        }
    }
    assert!(finite > 25_000, "{finite}");
}

/// Neither NaN nor ends the wrong way round nor a pole gives anything finite.
#[test]
fn nothing_is_known_of_intervals_that_are_none() {
    let nan = f64::NAN;
    for function in FUNCTIONS {
        for (low, high) in [(nan, 1.0), (0.5, nan), (nan, nan), (1.0, 0.5)] {
            let lines = Lines::of(function, low, high);
            assert_eq!(function.range(low, high), (f64::NEG_INFINITY, f64::INFINITY), "{function:?}");
            assert!(!lines.upper.1.is_finite() && !lines.lower.1.is_finite(), "{function:?} {low} {high}");
        }
        let lines = Lines::of(function, f64::NEG_INFINITY, f64::INFINITY);
        assert!(!lines.upper.1.is_finite() && !lines.lower.1.is_finite(), "{function:?}");
    }
    for (low, high) in [(-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (0.0, 0.0), (-0.0, 1.0)] {
        let lines = Lines::of(Function::Reciprocal, low, high);
        assert!(!lines.upper.1.is_finite() || !lines.lower.1.is_finite(), "{low} {high}");
    }
}

/// Enclosures of values are narrow, and lines lie near the hull: what would be sound and of no use.
#[test]
fn lines_are_close() {
    for (function, on, gap) in [
        // The gap between the hull's two lines at the middle, computed by hand or by a fine grid.
        (Function::Power(2), (-1.0, 3.0), 4.0),
        (Function::Power(2), (2.0, 2.5), 0.0625),
        (Function::Reciprocal, (1.0, 2.0), 0.75 - 2.0 / 3.0),
        (Function::Sigmoid, (-1.0, 3.0), 0.12030),
        (Function::Tanh, (0.0, 2.0), 0.27958),
        (Function::Sine, (0.0, std::f64::consts::PI), 1.0),
        (Function::Cosine, (0.1, 0.2), 0.0012357),
        (Function::Floor, (0.25, 0.75), 0.0),
        (Function::Clip(0.0, 6.0), (-1.0, 3.0), 0.5),
        (Function::Clip(0.0, 6.0), (-2.0, 10.0), 2.1),
        (Function::Clip(0.0, 6.0), (1.0, 5.0), 0.0),
    ] {
        let (lines, middle) = (Lines::of(function, on.0, on.1), 0.5 * (on.0 + on.1));
        let at = |(slope, constant): (f64, f64)| slope * middle + constant;
        let found = at(lines.upper) - at(lines.lower);
        assert!(found >= gap * 0.99 - 1e-9 && found <= gap * 1.02 + 1e-9, "{function:?} on {on:?}: {found} for {gap}");
    }
    for function in FUNCTIONS {
        for x in [0.3, 1.7, 25.3] {
            let (low, high) = function.at(x);
            assert!(high - low <= 1e-12 * high.abs().max(1.0), "{function:?} at {x}: {low} {high}");
        }
    }
}

/// A line that is to lie closest somewhere does: on the bent side it touches there, nearly; elsewhere it is the chord.
#[test]
fn lines_are_closest_where_they_are_asked_to_be() {
    let curve = Curve::new(Function::Power(2), -1.0, 3.0);
    for k in 0..=255 {
        let (share, at) = (f64::from(k) / 255.0, -1.0 + 4.0 * f64::from(k) / 255.0);
        let (above, below) = (curve.upper(share), curve.lower(share));
        assert!((above.0 - 2.0).abs() < 1e-9 && (above.1 - 3.0).abs() < 1e-9, "{above:?}");
        // A piece has the width 1/8: the hull is nowhere further below than a quarter of its square, and the constant allows for as much.
        let gap = at * at - (below.0 * at + below.1);
        assert!((0.0..=1.0 / 128.0 + 1e-9).contains(&gap), "{gap} at {at}");
    }
}

#[test]
fn second_derivatives_are_enclosed() {
    let mut random = Random(2);
    for function in FUNCTIONS.into_iter().filter(|f| !matches!(f, Function::Floor | Function::Clip(..))) {
        for _ in 0..4000 {
            let on = random_interval(&mut random);
            if !defined(function, on) || on.0.abs().max(on.1.abs()) > 1e3 {
                continue;
            }
            let (x, bend) = (inside(&mut random, on), function.bend(on.0, on.1, (function.at(on.0), function.at(on.1))));
            let e = (-x.abs()).exp();
            let t = x.tanh();
            let second = match function {
                Function::Sigmoid => -x.signum() * e * (1.0 - e) / (1.0 + e).powi(3),
                Function::Tanh => -2.0 * t * 4.0 * (e / (1.0 + e * e)).powi(2),
                Function::Sine => -x.sin(),
                Function::Cosine => -x.cos(),
                Function::Power(n) => f64::from(n) * f64::from(n - 1) * x.powi(i32::from(n) - 2),
                _ => 2.0 / (x * x * x),
            };
            let slack = 1e-12 * second.abs();
            assert!(bend.0 - slack <= second && second <= bend.1 + slack, "{function:?} on {on:?} at {x}: {second:e} not in {bend:?}");
        }
    }
}

#[test]
fn planes_hold_beside_products() {
    let mut random = Random(3);
    for _ in 0..20_000 {
        let (first, second) = (random_interval(&mut random), random_interval(&mut random));
        let (planes, range) = (Planes::of(first, second), Planes::range(first, second));
        for _ in 0..4 {
            let (a, b) = (exact(inside(&mut random, first)), exact(inside(&mut random, second)));
            let product = a.times(&b);
            let rest = product.minus(&a.times(&exact(planes.slopes.0))).minus(&b.times(&exact(planes.slopes.1)));
            assert_in(&rest, (planes.least, planes.most), &format!("{first:?} times {second:?}"));
            assert_in(&product, range, "the range");
            assert_in(&product.size(), (0.0, planes.size), "the size");
        }
        let gap = 0.5 * (first.1 - first.0) * (second.1 - second.0);
        assert!(planes.most - planes.least <= gap * (1.0 + 1e-9) + 1e-14 * planes.size + 1e-300, "{first:?} {second:?} {planes:?}");
    }
    for (a, b) in [((f64::NAN, 1.0), (0.0, 1.0)), ((f64::NEG_INFINITY, f64::INFINITY), (0.0, 1.0))] {
        let planes = Planes::of(a, b);
        assert!(!planes.most.is_finite() && !planes.least.is_finite(), "{planes:?}");
        let range = Planes::range(a, b);
        assert!(!range.0.is_finite() && !range.1.is_finite(), "{range:?}");
    }
}

/// Sines of large angles are not computed alike; powers may underflow once before their last product.
#[test]
fn deployed_functions_are_trusted_in_their_range_only() {
    for function in [Function::Sine, Function::Cosine] {
        assert!(function.deployed_error(-3.0, 3.0).1 < 1e-6);
        for (low, high) in [(-1e12, 3.0), (-3.0, 1e12), (-1e12, 1e12), (1e12, 2e12), (-2e12, -1e12)] {
            assert_eq!(function.deployed_error(low, high).1, f64::INFINITY);
        }
    }
    for n in 2..9 {
        let (relative, absolute) = Function::Power(n).deployed_error(-1.0, 1.0);
        assert!(relative >= f64::from(n - 1) * 2f64.powi(-24) && absolute >= f64::from(f32::MIN_POSITIVE));
        assert!(relative < 1e-5 && absolute < 1e-30);
    }
}
