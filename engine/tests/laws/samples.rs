//! Numbers and intervals to try: ordinary, cornered and hostile.

use engine::numerics::Interval;

/// A small generator: tests repeat bit for bit.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Mostly moderate numbers with full mantissas, some of any size.
    pub fn number(&mut self) -> f64 {
        let scale = match self.below(8) {
            0 => 10f64.powi(self.below(40) as i32 - 20),
            1 => 100.0,
            2 => 20.0,
            _ => 4.0,
        };
        (2.0 * self.unit() - 1.0) * scale
    }
}

/// Numbers that break careless arithmetic.
pub const HOSTILE: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    -0.1,
    5e-324,
    -5e-324,
    f64::MIN_POSITIVE,
    1e-160,
    1e160,
    -1e160,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    709.75,
    -745.13,
    std::f64::consts::PI,
    -std::f64::consts::FRAC_PI_2,
    1.0 + f64::EPSILON,
    6.0,
];

/// Slopes to try: those that are no numbers, and some of the hostile and the ordinary ones.
pub fn slopes(dice: &mut Dice) -> Vec<f64> {
    let mut slopes = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
    slopes.extend((0..4).map(|_| HOSTILE[dice.below(HOSTILE.len())]));
    slopes.extend((0..2).map(|_| [0.25, 0.5, 0.01f32 as f64, -0.5, 1.75, 2.0, 3.0][dice.below(7)]));
    slopes.extend((0..3).map(|_| dice.number()));
    slopes.extend((0..2).map(|_| dice.unit()));
    slopes
}

/// Intervals to try: random ones, points, infinite ends, denormal widths.
pub fn intervals(dice: &mut Dice, random: usize) -> Vec<Interval> {
    let mut all = Vec::new();
    for (i, &a) in HOSTILE.iter().enumerate() {
        all.extend(Interval::new(a, a).filter(|x| x.low.is_finite()));
        all.extend(HOSTILE[i + 1..].iter().filter_map(|&b| Interval::new(a.min(b), a.max(b))));
    }
    for _ in 0..random {
        let (a, b) = (dice.number(), dice.number());
        all.extend(Interval::new(a.min(b), a.max(b)));
        let width = b.abs() * 10f64.powi(-(dice.below(18) as i32));
        all.extend(Interval::new(a, a + width));
    }
    all
}

/// Points of `x`, all finite: its ends, what is special inside, and random ones.
pub fn points(dice: &mut Dice, x: Interval, random: usize) -> Vec<f64> {
    let (low, high) = (x.low.max(f64::MIN), x.high.min(f64::MAX));
    let mut all = vec![low, high, low.next_up(), high.next_down(), x.middle()];
    all.extend(HOSTILE);
    all.extend(HOSTILE.map(f64::next_up));
    all.extend([-3.0, -1.5, 0.1f32 as f64, 2.5, 1e5]);
    let (narrow_low, narrow_high) = (low.max(-60.0), high.min(60.0));
    for _ in 0..random {
        all.push(low + (high / 2.0 - low / 2.0) * 2.0 * dice.unit());
        all.push(narrow_low + (narrow_high - narrow_low) * dice.unit());
    }
    all.retain(|&a| a.is_finite() && x.contains(a));
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}
