//! `exp` from basic operations only: a platform's own `exp` may differ in the last bit, and training would drift apart.

/// `e^x` for `x <= 0`, within a few units in the last place of `f32`; 0 below -87.
pub fn exponential(x: f32) -> f32 {
    if x < -87.0 {
        return 0.0;
    }
    // e^x = 2^k e^r with |r| <= ln(2) / 2, and e^r by its Taylor series up to r^10 / 10! < 1e-11.
    let x = x as f64;
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = x - k * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for n in (1..=10).rev() {
        sum = 1.0 + sum * r / n as f64;
    }
    (sum * f64::from_bits(((1023 + k as i64) as u64) << 52)) as f32
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_close_to_the_library_function() {
        for i in 0..2000 {
            let x = -(i as f32) * 0.04;
            let (ours, theirs) = (super::exponential(x) as f64, (x as f64).exp());
            assert!((ours - theirs).abs() <= 1e-7 * theirs, "{x}: {ours} {theirs}");
        }
        assert_eq!(super::exponential(0.0), 1.0);
        assert_eq!(super::exponential(-1000.0), 0.0);
    }
}
