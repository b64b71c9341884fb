use dashu::rational::RBig;
use proptest::prelude::*;

use super::{Decimal, DecimalError};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Doubles of all kinds: subnormal, huge, short, one ulp apart.
fn doubles() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite()),
        any::<f32>().prop_filter("finite", |x| x.is_finite()).prop_map(f64::from),
        (-1_000_000i32..1_000_000).prop_map(|n| f64::from(n) / 1000.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
        Just(-0.0),
        Just(9007199254740993.0)
    ]
}

/// Decimals of all kinds, as text.
fn texts() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![-30i32..30, -400i32..400];
    let digits = prop_oneof!["[0-9]{1,4}", "[0-9]{15,25}", "[0-9]{36,60}", "[1-9]0{0,40}", "0{0,5}[0-9]{1,3}"];
    ("-?", digits.clone(), digits, exponent).prop_map(|(sign, whole, fraction, e)| format!("{sign}{whole}.{fraction}e{e}"))
}

#[test]
fn numbers_are_read_as_written() {
    for (text, plain) in [
        ("0.679857769", "0.679857769"),
        ("-1e-06", "-0.000001"),
        ("1.50e3", "1500"),
        ("-0.0", "0"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+7", "7"),
        ("00012.3400", "12.34"),
        ("0e999999999999999999999", "0"),
        ("123456789012345678901234567890123456789012345.5", "123456789012345678901234567890123456789012345.5"),
        ("100000000000000000000000000000000000000000000", "100000000000000000000000000000000000000000000"),
    ] {
        assert_eq!(d(text).to_string(), plain, "{text}");
    }
    assert_eq!(d("1.500"), d("15e-1"));
}

#[test]
fn garbage_is_refused() {
    for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1_000", "inf", "nan", "1 ", "--1", "1e1.5", "१"] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(DecimalError::Malformed), "{text}");
    }
    assert_eq!(Decimal::parse(b"1\0"), Err(DecimalError::Malformed));
}

#[test]
fn absurd_sizes_are_refused_at_once() {
    for text in ["1e999999999", "-1e-999999999", "1e99999999999999999999999", "0.1e5002", "1e5001"] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(DecimalError::Exponent), "{text}");
    }
    let long = "7".repeat(10_001);
    assert_eq!(Decimal::parse(long.as_bytes()), Err(DecimalError::Digits(10_001)));
    assert!(Decimal::parse("0".repeat(1_000_000).as_bytes()).unwrap().is_zero());
}

#[test]
fn rounding_to_f32_happens_once() {
    // Just above the middle of two floats, on it as a double: rounding twice would go to the even lower one.
    let above = d("1.000000059604644775390625000000000001");
    assert_eq!(above.to_f32(), 1.0f32.next_up());
    assert_eq!(above.to_f64() as f32, 1.0);
    assert_eq!(d("1.000000059604644775390625").to_f32(), 1.0);
    assert_eq!(d("1e39").to_f32(), f32::INFINITY);
}

#[test]
fn ends_of_the_range_round_outward() {
    assert_eq!((d("1e400").to_f64_down(), d("1e400").to_f64_up()), (f64::MAX, f64::INFINITY));
    assert_eq!((d("-1e400").to_f64_down(), d("-1e400").to_f64_up()), (f64::NEG_INFINITY, f64::MIN));
    assert_eq!((d("1e-400").to_f64_down(), d("1e-400").to_f64_up()), (0.0, 5e-324));
    assert_eq!((d("0.1").to_f64_down().next_up(), d("0.1").to_f64_up()), (0.1, 0.1));
}

#[test]
fn the_shortest_decimal_stays_in_the_range() {
    // 0.1 as a float is above 0.1; a range that excludes 0.1 needs more digits.
    assert_eq!(Decimal::shortest_f32_within(0.1, &d("0"), &d("1")), Some(d("0.1")));
    let inside = Decimal::shortest_f32_within(0.1, &d("0.1000000001"), &d("1")).unwrap();
    assert_eq!(inside, d("0.100000001"));
    // A fixed input that no float32 hits: the constant itself stands for its rounding.
    let fixed = d("0.46704102");
    assert_eq!(Decimal::shortest_f32_within(fixed.to_f32(), &fixed, &fixed), Some(fixed.clone()));
    assert_eq!(Decimal::shortest_f32_within(0.5, &fixed, &fixed), None);
    assert_eq!(Decimal::shortest_f32_within(f32::NAN, &fixed, &fixed), None);
}

#[test]
fn quotients_are_exact_or_absent() {
    assert_eq!(d("1").quotient(&d("-0.8")), Some(d("-1.25")));
    assert_eq!(d("0.3").quotient(&d("3")), Some(d("0.1")));
    assert_eq!(d("1").quotient(&d("3")), None);
    assert_eq!(d("1").quotient(&d("0")), None);
    let (down, up) = (d("-1").quotient_down(&d("3")).unwrap(), d("-1").quotient_up(&d("3")).unwrap());
    assert!(&down * &3.into() < d("-1") && d("-1") < &up * &3.into());
    assert!(&up - &down < d("1e-38"));
}

proptest! {
    #[test]
    fn doubles_survive_exactly(x in doubles()) {
        let exact = Decimal::from_f64(x).unwrap();
        prop_assert_eq!(exact.to_f64(), x);
        prop_assert_eq!(exact.to_f64_down(), x);
        prop_assert_eq!(exact.to_f64_up(), x);
        prop_assert_eq!(exact.to_rational(), RBig::try_from(x).unwrap());
        prop_assert_eq!(d(&exact.to_string()), exact);
        prop_assert_eq!(Decimal::shortest_f64(x).unwrap().to_f64(), x);
    }

    #[test]
    fn arithmetic_agrees_with_fractions(a in texts(), b in texts()) {
        let (x, y) = (d(&a), d(&b));
        let (p, q) = (x.to_rational(), y.to_rational());
        prop_assert_eq!((&x + &y).to_rational(), &p + &q);
        prop_assert_eq!((&x - &y).to_rational(), &p - &q);
        prop_assert_eq!((&x * &y).to_rational(), &p * &q);
        prop_assert_eq!(x.cmp(&y), p.cmp(&q));
        prop_assert_eq!(x == y, p == q);
        prop_assert_eq!(d(&x.to_string()), x.clone());
        prop_assert_eq!(&(&x + &y) - &y, x.clone());
        prop_assert_eq!(Decimal::from_rational(&p), Some(x.clone()));
        if !y.is_zero() {
            prop_assert_eq!((&x * &y).quotient(&y), Some(x.clone()));
            prop_assert!(x.quotient_down(&y).unwrap().to_rational() <= &p / &q);
            prop_assert!(x.quotient_up(&y).unwrap().to_rational() >= &p / &q);
        }
    }

    #[test]
    fn roundings_agree_with_the_standard_library_and_enclose(text in texts()) {
        let x = d(&text);
        prop_assert_eq!(x.to_f64(), text.parse::<f64>().unwrap());
        prop_assert_eq!(x.to_f32(), text.parse::<f32>().unwrap());
        let (down, up) = (x.to_f64_down(), x.to_f64_up());
        prop_assert!(down <= x.to_f64() && x.to_f64() <= up);
        prop_assert!(down == up || down.next_up() == up);
        if let Some(low) = Decimal::from_f64(down) { prop_assert!(low <= x); }
        if let Some(high) = Decimal::from_f64(up) { prop_assert!(x <= high); }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..30), text in "[-+0-9.eE]{0,12}") {
        let _ = Decimal::parse(&bytes);
        let _ = Decimal::parse(text.as_bytes());
    }
}
