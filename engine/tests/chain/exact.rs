//! Exact dyadic numbers: every finite float is one, and sums and products of them are again.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use dashu::base::BitTest;
use dashu::integer::IBig;

/// `mantissa * 2^exponent`.
#[derive(Clone, Debug)]
pub struct Dyadic {
    mantissa: IBig,
    exponent: i64,
}

impl Dyadic {
    pub fn of(x: f64) -> Dyadic {
        assert!(x.is_finite(), "{x}");
        let bits = x.to_bits();
        let (field, low) = ((bits >> 52 & 0x7ff) as i64, bits & ((1 << 52) - 1));
        let (size, exponent) = if field == 0 { (low, -1074) } else { (low | 1 << 52, field - 1075) };
        let exponent = if size == 0 { 0 } else { exponent + size.trailing_zeros() as i64 };
        let mantissa = IBig::from(if size == 0 { 0 } else { size >> size.trailing_zeros() });
        Dyadic { mantissa: if x < 0.0 { -mantissa } else { mantissa }, exponent }
    }

    pub fn zero() -> Dyadic {
        Dyadic::of(0.0)
    }

    pub fn sign(&self) -> i32 {
        match self.mantissa.cmp(&IBig::ZERO) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }
    }

    pub fn abs(&self) -> Dyadic {
        if self.sign() < 0 { -self } else { self.clone() }
    }

    /// The smallest float at least this.
    pub fn to_f64_up(&self) -> f64 {
        let shift = self.mantissa.bit_len().saturating_sub(60);
        let top = (&self.mantissa >> shift).to_f64().value();
        let exponent = self.exponent + shift as i64;
        let half = exponent.clamp(-2000, 2000) / 2;
        let mut x = top * 2f64.powi(half as i32) * 2f64.powi((exponent.clamp(-2000, 2000) - half) as i32);
        assert!(x.is_finite(), "too large for a float");
        while Dyadic::of(x) < *self {
            x = x.next_up();
        }
        while Dyadic::of(x.next_down()) >= *self {
            x = x.next_down();
        }
        x
    }

    fn align(&self, exponent: i64) -> IBig {
        &self.mantissa << (self.exponent - exponent) as usize
    }
}

impl Add for &Dyadic {
    type Output = Dyadic;
    fn add(self, other: &Dyadic) -> Dyadic {
        match (self.sign(), other.sign()) {
            (0, _) => other.clone(),
            (_, 0) => self.clone(),
            _ => {
                let exponent = self.exponent.min(other.exponent);
                Dyadic { mantissa: self.align(exponent) + other.align(exponent), exponent }
            }
        }
    }
}

impl Neg for &Dyadic {
    type Output = Dyadic;
    fn neg(self) -> Dyadic {
        Dyadic { mantissa: -&self.mantissa, exponent: self.exponent }
    }
}

impl Sub for &Dyadic {
    type Output = Dyadic;
    fn sub(self, other: &Dyadic) -> Dyadic {
        self + &-other
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;
    fn mul(self, other: &Dyadic) -> Dyadic {
        Dyadic { mantissa: &self.mantissa * &other.mantissa, exponent: self.exponent + other.exponent }
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Dyadic) -> bool {
        (self - other).sign() == 0
    }
}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Dyadic) -> Option<Ordering> {
        Some((self - other).sign().cmp(&0))
    }
}

/// `sum a_i b_i`.
pub fn dot<'a>(a: impl IntoIterator<Item = f64>, b: impl IntoIterator<Item = &'a Dyadic>) -> Dyadic {
    let terms = a.into_iter().zip(b).filter(|t| t.0 != 0.0);
    terms.fold(Dyadic::zero(), |sum, (a, b)| &sum + &(&Dyadic::of(a) * b))
}

#[test]
fn dyadic_numbers_agree_with_floats_where_those_are_exact() {
    for x in [0.0, 1.0, -1.5, 3e-320, -1e308, f64::MIN_POSITIVE, 0.1] {
        assert_eq!(Dyadic::of(x).to_f64_up(), x);
        assert_eq!((&Dyadic::of(x) - &Dyadic::of(x)).sign(), 0);
        assert_eq!(Dyadic::of(x).abs().to_f64_up(), x.abs());
    }
    let sum = &Dyadic::of(1.0) + &Dyadic::of(1e-300);
    assert!(sum > Dyadic::of(1.0) && sum < Dyadic::of(1f64.next_up()));
    assert_eq!(sum.to_f64_up(), 1f64.next_up());
    assert_eq!((-&sum).to_f64_up(), -1.0);
    assert_eq!(&Dyadic::of(0.75) * &Dyadic::of(-3.0), Dyadic::of(-2.25));
    assert_eq!(dot([1.0, 2.0], &[Dyadic::of(3.0), Dyadic::of(4.0)]), Dyadic::of(11.0));
}
