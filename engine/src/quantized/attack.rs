//! Counterexamples by signs of gradients and by coordinate ascent, in exact integers.

use super::bounds::Range;
use super::network::{Layer, Network};
use super::query::{Query, Target};
use super::staircase::Requantise;

/// Passes over the inputs of a repair.
const REPAIR_SWEEPS: usize = 20;

/// How close accumulators of the class and the label come to the target, and at which level: not negative exactly if it is met.
fn nearness(target: Target, class: i64, label: i64) -> (i64, i64) {
    let levels = target.levels();
    let slack = |k: i64| slacks(target, k, class, label);
    // The first condition falls with the level, the second rises: look where they cross.
    let (mut low, mut high) = (levels.low, levels.high);
    while low < high {
        let middle = low + (high - low) / 2;
        let (rise, cap) = slack(middle);
        if rise > cap { low = middle + 1 } else { high = middle }
    }
    let worth = |k: i64| (slack(k).0.min(slack(k).1), k);
    if low > levels.low { worth(low).max(worth(low - 1)) } else { worth(low) }
}

/// By how much the two conditions of a level are met.
fn slacks(target: Target, k: i64, class: i64, label: i64) -> (i64, i64) {
    let anything = Range { low: -FAR, high: FAR };
    (class - target.rise(k, anything), target.cap(k, anything) - label)
}

/// Beyond all accumulators.
const FAR: i64 = 1 << 50;

/// A point of the box that breaks the query towards this class, if one is found from `start`.
pub struct Attack<'a> {
    /// The network.
    pub network: &'a Network,
    /// The box and the label.
    pub query: &'a Query,
    /// The class.
    pub target: Target<'a>,
}

impl Attack<'_> {
    /// Sign steps from several surrogate gradients, then coordinate ascent from the best point.
    pub fn run(&self, start: &[i64], sweeps: usize) -> Option<Vec<i64>> {
        let mut best = start.to_vec();
        let mut best_worth = self.worth(&best);
        for leak in [0.3, 0.05, 1.0] {
            let mut x = start.to_vec();
            for _ in 0..6 {
                let gradient = self.gradient(&x, leak);
                let next: Vec<i64> = x.iter().zip(&gradient).zip(&self.query.input).map(|((&x, &g), r)| corner(x, g, r)).collect();
                if next == x {
                    break;
                }
                x = next;
                let worth = self.worth(&x);
                if worth > best_worth {
                    (best, best_worth) = (x.clone(), worth);
                }
                if best_worth >= 0 {
                    return Some(best);
                }
            }
        }
        self.climb(best, sweeps)
    }

    /// Coordinate ascent on [`Attack::promise`]: every input to the place that helps most, until none does.
    pub fn climb(&self, mut x: Vec<i64>, sweeps: usize) -> Option<Vec<i64>> {
        let mut state = self.accumulators(&x);
        let (mut worth, mut promise) = self.promise(&state);
        for _ in 0..sweeps {
            let before = promise;
            for p in 0..x.len() {
                if worth >= 0 {
                    return Some(x);
                }
                let range = self.query.input[p];
                for value in [range.low, range.high, x[p] - 1, x[p] + 1] {
                    if value == x[p] || value < range.low || value > range.high {
                        continue;
                    }
                    let moved = self.moved(&state, p, value - x[p]);
                    let (moved_worth, moved_promise) = self.promise(&moved);
                    if moved_promise > promise || moved_worth >= 0 {
                        (state, worth, promise, x[p]) = (moved, moved_worth, moved_promise, value);
                    }
                }
            }
            if promise == before {
                break;
            }
        }
        (worth >= 0).then_some(x)
    }

    /// An input whose first accumulators lie in these ranges, looked for from `x` by single steps that shrink the squared distances.
    pub fn repair(&self, mut x: Vec<i64>, cells: &[Range]) -> Option<Vec<i64>> {
        let layer = &self.network.layers()[0];
        let outside = |a: i64, cell: &Range| (cell.low - a).max(a - cell.high).max(0);
        let square = |d: i64| d * d;
        let mut state = self.accumulators(&x);
        let distance = |state: &[i64]| state.iter().zip(cells).map(|(&a, c)| square(outside(a, c))).sum::<i64>();
        let mut total = distance(&state);
        for _ in 0..REPAIR_SWEEPS {
            let before = total;
            for p in 0..x.len() {
                if total == 0 {
                    return Some(x);
                }
                let range = self.query.input[p];
                for by in [-1, 1] {
                    if x[p] + by < range.low || x[p] + by > range.high {
                        continue;
                    }
                    let weights = (0..layer.outputs).map(|j| i64::from(layer.weights[j * layer.inputs + p]));
                    let moved = state.iter().zip(weights).zip(cells).map(|((&a, w), c)| square(outside(a + by * w, c))).sum::<i64>();
                    if moved < total {
                        (total, state, x[p]) = (moved, self.moved(&state, p, by), x[p] + by);
                    }
                }
            }
            if total == before {
                break;
            }
        }
        (total == 0).then_some(x)
    }

    fn accumulators(&self, x: &[i64]) -> Vec<i64> {
        self.network.layers()[0].accumulate(x)
    }

    /// The first layer's accumulators after input `p` has moved.
    fn moved(&self, first: &[i64], p: usize, by: i64) -> Vec<i64> {
        let layer = &self.network.layers()[0];
        first.iter().enumerate().map(|(j, a)| a + by * i64::from(layer.weights[j * layer.inputs + p])).collect()
    }

    /// How close a point comes to the target.
    pub fn worth(&self, x: &[i64]) -> i64 {
        self.worth_of(&self.accumulators(x))
    }

    /// The same from the first layer's accumulators.
    pub fn worth_of(&self, first: &[i64]) -> i64 {
        let (class, label) = self.outputs(first, |s, a| s.apply(a) as f64);
        nearness(self.target, class as i64, label as i64).0
    }

    /// How close a point comes to the target, and the same plus how close it would come if staircases were ramps: these show a
    /// way where single steps change nothing yet.
    fn promise(&self, first: &[i64]) -> (i64, f64) {
        let (class, label) = self.outputs(first, |s, a| s.apply(a) as f64);
        let (worth, level) = nearness(self.target, class as i64, label as i64);
        let (class, label) = self.outputs(first, ramp);
        let (rise, cap) = slacks(self.target, level, class as i64, label as i64);
        (worth, worth as f64 + rise.min(cap) as f64)
    }

    /// The last accumulators of class and label; exact for integer values (sums below 2^46).
    fn outputs(&self, first: &[i64], value: impl Fn(&Requantise, i64) -> f64) -> (f64, f64) {
        let layers = self.network.layers();
        let one = |layer: &Layer, o: usize, h: &[f64]| {
            layer.bias[o] as f64 + layer.row(o).iter().zip(h).map(|(&w, h)| f64::from(w) * h).sum::<f64>()
        };
        let values = |layer: &Layer, a: &[i64]| a.iter().enumerate().map(|(j, &a)| value(layer.staircase(j), a)).collect::<Vec<f64>>();
        if layers.len() == 1 {
            return (first[self.target.class] as f64, first[self.target.label] as f64);
        }
        let mut h = values(&layers[0], first);
        for layer in &layers[1..layers.len() - 1] {
            let a: Vec<i64> = (0..layer.outputs).map(|o| one(layer, o, &h) as i64).collect();
            h = values(layer, &a);
        }
        let last = self.network.last();
        (one(last, self.target.class, &h), one(last, self.target.label, &h))
    }

    /// The gradient of `a_class - a_label` by the inputs, steps taken for slopes, saturated neurons for `leak` of a slope.
    fn gradient(&self, x: &[i64], leak: f64) -> Vec<f64> {
        let layers = self.network.layers();
        let mut accumulators = Vec::new();
        let mut h = x.to_vec();
        for layer in layers {
            let a = layer.accumulate(&h);
            h = layer.requantised(&a);
            accumulators.push(a);
        }
        let last = self.network.last();
        let both = last.row(self.target.class).iter().zip(last.row(self.target.label));
        let mut back: Vec<f64> = both.map(|(&t, &y)| f64::from(t) - f64::from(y)).collect();
        for (layer, a) in layers.iter().zip(&accumulators).rev().skip(1) {
            let mut next = vec![0.0; layer.inputs];
            for (j, g) in back.iter().enumerate() {
                let s = layer.staircase(j);
                let value = s.apply(a[j]);
                let slope = s.multiplier as f64 / (1u64 << s.shift) as f64;
                let slope = if value > s.low && value < s.high { slope } else { leak * slope };
                next.iter_mut().zip(layer.row(j)).for_each(|(n, &w)| *n += g * slope * f64::from(w));
            }
            back = next;
        }
        back
    }
}

fn corner(x: i64, gradient: f64, range: &Range) -> i64 {
    match gradient.total_cmp(&0.0) {
        _ if gradient == 0.0 => x,
        std::cmp::Ordering::Greater => range.high,
        _ => range.low,
    }
}

/// The line through the middle of the steps, saturated like them.
fn ramp(s: &Requantise, a: i64) -> f64 {
    let value = a as f64 * s.multiplier as f64 / (1u64 << s.shift) as f64 + s.offset as f64;
    value.clamp(s.low as f64, s.high as f64)
}
