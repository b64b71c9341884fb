//! Counterexamples by signs of gradients and by coordinate ascent, in exact integers.

use super::bounds::Range;
use super::network::Network;
use super::query::{Query, Target};

/// How close `x` comes to the target: not negative exactly if it is met. In accumulators of the last layer.
pub fn nearness(network: &Network, target: Target, last: &[i64]) -> i64 {
    let (class, label) = (last[target.class], last[target.label]);
    let anything = |a: i64| Range { low: a.min(-(1 << 50)), high: a.max(1 << 50) };
    let levels = target.levels();
    // The first condition falls with the level, the second rises: look where they cross.
    let (mut low, mut high) = (levels.low, levels.high);
    let slack = |k: i64| (class - target.rise(k, anything(class)), target.cap(k, anything(label)) - label);
    while low < high {
        let middle = low + (high - low) / 2;
        let (rise, cap) = slack(middle);
        if rise > cap { low = middle + 1 } else { high = middle }
    }
    let _ = network;
    let worth = |k: i64| slack(k).0.min(slack(k).1);
    worth(low).max(if low > levels.low { worth(low - 1) } else { i64::MIN })
}

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

    /// Coordinate ascent: every input to the end that helps most, until none does.
    pub fn climb(&self, mut x: Vec<i64>, sweeps: usize) -> Option<Vec<i64>> {
        let mut state = self.accumulators(&x);
        let mut worth = self.worth_of(&state);
        for _ in 0..sweeps {
            let before = worth;
            for p in 0..x.len() {
                if worth >= 0 {
                    return Some(x);
                }
                for value in [self.query.input[p].low, self.query.input[p].high] {
                    if value == x[p] {
                        continue;
                    }
                    let moved = self.moved(&state, p, value - x[p]);
                    let moved_worth = self.worth_of(&moved);
                    if moved_worth > worth {
                        (state, worth, x[p]) = (moved, moved_worth, value);
                    }
                }
            }
            if worth == before {
                break;
            }
        }
        (worth >= 0).then_some(x)
    }

    fn accumulators(&self, x: &[i64]) -> Vec<i64> {
        self.network.layers()[0].accumulate(x)
    }

    /// The first layer's accumulators after input `p` has moved.
    fn moved(&self, first: &[i64], p: usize, by: i64) -> Vec<i64> {
        let layer = &self.network.layers()[0];
        first.iter().enumerate().map(|(j, a)| a + by * i64::from(layer.weights[j * layer.inputs + p])).collect()
    }

    /// Nearness of a point.
    pub fn worth(&self, x: &[i64]) -> i64 {
        self.worth_of(&self.accumulators(x))
    }

    fn worth_of(&self, first: &[i64]) -> i64 {
        let layers = self.network.layers();
        let mut a = first.to_vec();
        for (k, layer) in layers.iter().enumerate().skip(1) {
            let h = layers[k - 1].requantised(&a);
            if k + 1 < layers.len() {
                a = layer.accumulate(&h);
                continue;
            }
            // Of the last layer only two outputs count.
            let one = |o: usize| layer.bias[o] + layer.row(o).iter().zip(&h).map(|(&w, h)| i64::from(w) * h).sum::<i64>();
            a = vec![0; layer.outputs];
            a[self.target.class] = one(self.target.class);
            a[self.target.label] = one(self.target.label);
        }
        nearness(self.network, self.target, &a)
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
