//! Exact numbers half way between two floating-point numbers, and a little beside.

mod support;

use checker::exact::Rational;
use support::{Random, exact};

#[test]
fn halfway_numbers_round_to_even_and_others_to_the_nearest() {
    let mut random = Random(71);
    for case in 0..2000 {
        let sign = if case % 2 == 0 { 1.0 } else { -1.0 };
        let scale = 2f64.powi([0, 60, -60, 100, -100][case % 5]);
        let a = (scale * (1.0 + random.unit().abs())) as f32;
        let b = a.next_up();
        let tiny = Rational::from_f64(scale * 2f64.powi(-200)).expect("finite");
        let half = exact((a as f64 + b as f64) / 2.0);
        let nearest = |x: &Rational| if sign > 0.0 { x.nearest_f32() } else { x.negated().nearest_f32().map(|x| -x) };
        let even = if a.to_bits().is_multiple_of(2) { a } else { b };
        assert_eq!((nearest(&half), nearest(&half.plus(&tiny)), nearest(&half.minus(&tiny))), (Some(even), Some(b), Some(a)));
        let (c, ulp) = (scale * (1.0 + random.unit().abs()), scale * 2f64.powi(-52));
        let half = exact(c).plus(&exact(ulp / 2.0));
        let next = c.next_up();
        let nearest = |x: &Rational| if sign > 0.0 { x.nearest_f64() } else { x.negated().nearest_f64().map(|x| -x) };
        let even = if c.to_bits() % 2 == 0 { c } else { next };
        assert_eq!((nearest(&half), nearest(&half.plus(&tiny)), nearest(&half.minus(&tiny))), (Some(even), Some(next), Some(c)));
        assert_eq!((half.down(), half.up(), half.negated().down(), half.negated().up()), (c, next, -next, -c));
        assert_eq!((exact(c).down(), exact(c).up(), exact(c).plus(&tiny).down(), exact(c).minus(&tiny).up()), (c, c, c, c));
    }
}
