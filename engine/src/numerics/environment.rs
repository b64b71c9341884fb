//! The floating-point environment that every bound relies on.

use std::hint::black_box;

/// True if this thread rounds to nearest and keeps subnormal numbers: what the error bounds are stated for.
///
/// A library in the same process may have changed the rounding mode or switched on flush-to-zero; each worker asks
/// before it works.
pub fn is_default() -> bool {
    let one = black_box(1.0f64);
    let (half_ulp, subnormal) = (black_box(f64::EPSILON / 2.0), black_box(f64::MIN_POSITIVE));
    let nearest = one + half_ulp == 1.0 && -one - half_ulp == -1.0 && one + black_box(1.5) * half_ulp > 1.0;
    let nearest32 = black_box(1.0f32) + black_box(f32::EPSILON / 2.0) == 1.0 && black_box(1.0f32) + black_box(f32::EPSILON * 0.75) > 1.0;
    let gradual = subnormal * black_box(0.5) > 0.0 && black_box(f32::MIN_POSITIVE) * black_box(0.5) > 0.0;
    let kept = black_box(f64::from_bits(1)) * black_box(2.0) > 0.0 && black_box(f32::from_bits(1)) * black_box(2.0) > 0.0;
    nearest && nearest32 && gradual && kept
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_environment_is_recognised() {
        assert!(super::is_default());
    }

    /// Sets MXCSR for one check and restores it; only integer code runs in between apart from the check itself.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn other_rounding_and_flushing_are_noticed() {
        for change in [0x2000u32, 0x4000, 0x6000, 0x8000, 0x0040] {
            let mut saved = 0u32;
            // SAFETY: stores and loads the control register through valid pointers; it is restored before leaving.
            let changed = unsafe {
                std::arch::asm!("stmxcsr [{}]", in(reg) &mut saved, options(nostack));
                let other = saved | change;
                std::arch::asm!("ldmxcsr [{}]", in(reg) &other, options(nostack, readonly));
                let result = super::is_default();
                std::arch::asm!("ldmxcsr [{}]", in(reg) &saved, options(nostack, readonly));
                result
            };
            assert!(!changed, "control bits {change:#x} were not noticed");
        }
        assert!(super::is_default());
    }
}
