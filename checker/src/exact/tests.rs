//! Laws of exact numbers.

use super::*;

fn number(text: &str) -> Rational {
    Rational::parse(text.as_bytes()).unwrap()
}

/// splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn random_float(state: &mut u64) -> f64 {
    loop {
        // Every other number is subnormal or an integer: ties and cancellation.
        let x = match random(state) % 4 {
            0 => f64::from_bits(random(state) & ((1 << 52) - 1)),
            1 => (random(state) % 2048) as f64 - 1024.0,
            _ => f64::from_bits(random(state)),
        };
        if x.is_finite() {
            return x;
        }
    }
}

fn random_number(state: &mut u64) -> Rational {
    let digits = 1 + random(state) % 40;
    let mut text = String::from(if random(state).is_multiple_of(2) { "-" } else { "" });
    let point = random(state) % (digits + 1);
    for i in 0..digits {
        if i == point {
            text.push('.');
        }
        text.push((b'0' + (random(state) % 10) as u8) as char);
    }
    number(&format!("{text}e{}", (random(state) % 80) as i64 - 40))
}

#[test]
fn sums_and_products_obey_the_laws_of_arithmetic() {
    let s = &mut 1;
    for _ in 0..3000 {
        let [a, b, c] = [random_number(s), Rational::from_f64(random_float(s)).unwrap(), random_number(s)];
        assert_eq!(a.plus(&b), b.plus(&a));
        assert_eq!(a.times(&b), b.times(&a));
        assert_eq!(a.plus(&b).plus(&c), a.plus(&b.plus(&c)));
        assert_eq!(a.times(&b).times(&c), a.times(&b.times(&c)));
        assert_eq!(a.times(&b.plus(&c)), a.times(&b).plus(&a.times(&c)));
        assert_eq!(a.plus(&b).minus(&b), a);
        assert!(a.minus(&a).is_zero());
        assert_eq!(a.cmp(&b), 0.cmp(&b.minus(&a).sign()));
        assert_eq!(a.cmp(&c) == Ordering::Less, a.minus(&c).sign() < 0);
    }
}

#[test]
fn small_integers_are_exact() {
    for (a, b) in (-40i64..40).flat_map(|a| (-40i64..40).map(move |b| (a, b))) {
        let big = 1i64 << 33;
        let (x, y) = (number(&(a * big + b).to_string()), number(&b.to_string()));
        assert_eq!(x.plus(&y), number(&(a * big + 2 * b).to_string()));
        assert_eq!(x.times(&y), number(&(i128::from(a * big + b) * i128::from(b)).to_string()));
        assert_eq!(x.cmp(&y), (a * big + b).cmp(&b));
    }
}

#[test]
fn floats_survive_the_way_to_exact_numbers_and_back() {
    let s = &mut 2;
    for _ in 0..20_000 {
        let x = random_float(s);
        let exact = Rational::from_f64(x).unwrap();
        assert_eq!((exact.down(), exact.up()), (x, x));
        let y = f32::from_bits(random(s) as u32);
        if y.is_finite() {
            assert_eq!(Rational::from_f64(y.into()).unwrap().nearest_f32(), Some(y));
        }
        // Towards binary32 the hardware rounds as we do.
        assert_eq!(exact.nearest_f32(), Some(x as f32).filter(|y| y.is_finite()), "{x:e}");
    }
    assert!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].iter().all(|&x| Rational::from_f64(x).is_none()));
}

#[test]
fn conversions_enclose_and_are_tight() {
    let s = &mut 3;
    for _ in 0..5000 {
        let a = random_number(s).times(&random_number(s));
        let (low, high) = (a.down(), a.up());
        let exact = |x| Rational::from_f64(x).unwrap();
        assert!(exact(low) <= a && a <= exact(high), "{a:?}");
        assert!(low == high || low.next_up() == high, "{a:?}: {low:e} {high:e}");
    }
}

#[test]
fn decimals_round_as_the_standard_library_rounds_them() {
    let s = &mut 4;
    let mut texts: Vec<String> = (0..20_000)
        .map(|_| {
            let exponent = (random(s) % 800) as i64 - 400;
            format!("{}.{:017}e{exponent}", random(s) % 10, random(s) % 100_000_000_000_000_000)
        })
        .collect();
    texts.extend(["0.1", "1e-45", "7e-46", "3.4028235e38", "3.4028236e38", "1e39", "16777217", "33554433", "0"].map(String::from));
    for text in texts {
        let (a, nearest) = (number(&text), text.parse::<f64>().unwrap());
        assert!(a.down() <= nearest && nearest <= a.up(), "{text}");
        assert_eq!(a.nearest_f64(), Some(nearest).filter(|x| x.is_finite()), "{text}");
        assert_eq!(a.nearest_f32(), Some(text.parse::<f32>().unwrap()).filter(|y| y.is_finite()), "{text}");
        assert_eq!(a.negated().nearest_f32(), a.nearest_f32().map(|y| -y), "{text}");
        assert_eq!(a.negated().up(), -a.down());
    }
}

#[test]
fn numbers_beyond_binary64_are_still_enclosed() {
    let huge = number("1e400");
    assert_eq!((huge.down(), huge.up()), (f64::MAX, f64::INFINITY));
    assert_eq!((huge.negated().down(), huge.negated().up()), (f64::NEG_INFINITY, -f64::MAX));
    let tiny = number("1e-400");
    assert_eq!((tiny.down(), tiny.up()), (0.0, f64::from_bits(1)));
    assert_eq!((tiny.negated().down(), tiny.negated().up()), (-f64::from_bits(1), 0.0));
    assert_eq!(number("340282346638528859811704183484516925440").nearest_f32(), Some(f32::MAX));
    // Half a unit above the greatest binary32, where ties to even go to infinity; just below it; ties at subnormals.
    assert_eq!(number("340282356779733661637539395458142568448").nearest_f32(), None);
    assert_eq!(number("340282356779733661637539395458142568447").nearest_f32(), Some(f32::MAX));
    let half = |k: i64| number(&k.to_string()).times(&Rational::from_f64(2f64.powi(-150)).unwrap()).nearest_f32();
    assert_eq!([1, 3, 5].map(half), [0.0, f32::from_bits(2), f32::from_bits(2)].map(Some));
}

#[test]
fn quotients_by_units_are_exact_and_others_refused() {
    assert_eq!(number("3").over_unit(&number("-0.02")), Some(number("-150")));
    assert_eq!(number("3").over_unit(&number("125")), Some(number("0.024")));
    assert_eq!(number("3").over_unit(&number("3")), None);
    assert_eq!(number("3").over_unit(&Rational::ZERO), None);
    assert_eq!(number("0").over_unit(&number("5")), Some(Rational::ZERO));
}

#[test]
fn gathered_sums_equal_single_ones() {
    let s = &mut 5;
    for _ in 0..200 {
        let terms: Vec<(f64, Rational)> = (0..10).map(|_| (random_float(s), random_number(s))).collect();
        let twos = terms.iter().map(|(w, v)| split(*w).unwrap().1 + v.exponents().0).min().unwrap();
        let fives = terms.iter().map(|(_, v)| v.exponents().1).min().unwrap().min(0);
        let mut sum = Sum::new(twos, fives);
        assert!(terms.iter().all(|(w, v)| sum.add(*w, v)));
        assert!(!sum.add(f64::NAN, &number("1")) && !sum.add(f64::from_bits(1), &number("1e-99")));
        let single = terms.iter().fold(Rational::ZERO, |a, (w, v)| a.plus(&v.times(&Rational::from_f64(*w).unwrap())));
        assert_eq!(sum.total(), single);
    }
}

#[test]
fn absurd_and_malformed_numbers_are_refused() {
    for text in
        ["", "-", ".", "+.", "e5", "1e", "1e+", "1.2.3", "1e5.0", "0x10", "nan", "inf", "--1", "1 ", "1e10001", "1e-99999999999999999999"]
    {
        assert!(Rational::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Rational::parse(&[b'1'; 10_001]).is_err());
    assert_eq!(number("+1."), number("1e0"));
    assert_eq!(number("-.5"), number("-5E-1"));
    assert!(number("-0").sign() == 0 && number("1e10000").is_moderate());
    let power = (0..7).fold(number("1e10000"), |a, _| a.times(&a));
    assert!(!power.is_moderate());
}
