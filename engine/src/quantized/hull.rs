//! The convex hull of a staircase over a range of accumulators: a few corners, exactly.

use super::bounds::Range;
use super::network::Network;
use super::staircase::Requantise;

/// A corner: accumulator and value.
pub type Corner = (i64, i64);

/// The places where a staircase climbs.
#[derive(Clone, Debug)]
pub struct Steps {
    staircase: Requantise,
    /// `climbs[i]` is the least accumulator with a value above `low + i`; never falling.
    climbs: Vec<i64>,
}

/// Upper and lower chain of the hull, each from the least to the greatest accumulator of a nonempty range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hull {
    /// Corners from which the slopes fall.
    pub upper: Vec<Corner>,
    /// Corners from which the slopes rise.
    pub lower: Vec<Corner>,
}

impl Steps {
    /// Of every hidden neuron, layer by layer; equal staircases of a layer share one.
    pub fn hidden(network: &Network) -> Vec<Vec<Steps>> {
        let layers = &network.layers()[..network.layers().len() - 1];
        layers.iter().map(|layer| layer.requantise.iter().map(Steps::of).collect()).collect()
    }

    /// Of one staircase.
    pub fn of(staircase: &Requantise) -> Steps {
        let climbs = (staircase.low + 1..=staircase.high).map_while(|v| staircase.threshold(v)).collect();
        Steps { staircase: *staircase, climbs }
    }

    /// The value of an accumulator.
    pub fn value(&self, a: i64) -> i64 {
        self.staircase.apply(a)
    }

    /// The accumulators whose value is at most `value` (high end), for `low <= value < high`.
    pub fn last_with(&self, value: i64) -> i64 {
        let index = usize::try_from(value - self.staircase.low).unwrap_or(0);
        self.climbs.get(index).map_or(i64::MAX, |climb| climb - 1)
    }

    /// The accumulators with the same value as this one.
    pub fn cell(&self, a: i64) -> Range {
        let index = self.climbs.partition_point(|&t| t <= a);
        let low = index.checked_sub(1).map_or(i64::MIN, |i| self.climbs[i]);
        Range { low, high: self.climbs.get(index).map_or(i64::MAX, |t| t - 1) }
    }

    /// The hull over a nonempty range.
    pub fn hull(&self, range: Range) -> Hull {
        let first = self.climbs.partition_point(|&t| t <= range.low);
        let last = self.climbs.partition_point(|&t| t <= range.high);
        let value = |climbs: usize| self.staircase.low + climbs as i64;
        let (start, end) = ((range.low, value(first)), (range.high, value(last)));
        let mut hull = Hull { upper: vec![start], lower: vec![start] };
        for i in first..last {
            let climb = self.climbs[i];
            // Where several steps climb at once only the highest is a value.
            if self.climbs.get(i + 1) != Some(&climb) || i + 1 == last {
                extend(&mut hull.upper, (climb, value(i + 1)), 1);
            }
            if i == first || self.climbs[i - 1] != climb {
                extend(&mut hull.lower, (climb - 1, value(i)), -1);
            }
        }
        extend(&mut hull.upper, end, 1);
        extend(&mut hull.lower, end, -1);
        hull
    }
}

/// Appends a corner further right and drops those that it makes superfluous (`side` 1: upper chain, -1: lower).
fn extend(chain: &mut Vec<Corner>, corner: Corner, side: i64) {
    if chain.last().is_some_and(|last| last.0 >= corner.0) {
        return;
    }
    while let [.., p, q] = chain[..] {
        // Ranges and values are below 2^47 and 2^41: the products fit.
        let (rise, run) = (i128::from(q.1 - p.1), i128::from(q.0 - p.0));
        let turn = i128::from(corner.1 - p.1) * run - i128::from(corner.0 - p.0) * rise;
        if turn * i128::from(side) < 0 {
            break;
        }
        chain.pop();
    }
    chain.push(corner);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantized::Rounding;

    /// Any linear functional attains its maximum over the staircase at a corner of the right chain.
    #[test]
    fn corners_carry_every_maximum() {
        let mut checked = 0;
        for (rounding, _) in Rounding::ALL {
            for (multiplier, shift) in [(1, 2), (3, 2), (5, 4), (9, 2), (1, 0)] {
                let staircase = Requantise { multiplier, shift, rounding, offset: 1, low: -3, high: 6 };
                let steps = Steps::of(&staircase);
                for (low, high) in [(-40, 50), (-40, -30), (-3, 8), (0, 0), (1, 2), (-1, 5), (3, 60)] {
                    let hull = steps.hull(Range { low, high });
                    for c in -4..=4 {
                        for lambda in -6..=6 {
                            let chain = if c >= 0 { &hull.upper } else { &hull.lower };
                            let at = |&(a, h): &Corner| c * h - lambda * a;
                            let all = (low..=high).map(|a| (a, staircase.apply(a)));
                            assert!(chain.iter().all(|p| p.1 == staircase.apply(p.0)), "{hull:?}");
                            assert_eq!(chain.iter().map(at).max(), all.map(|p| at(&p)).max(), "{staircase:?} {low} {high} {c} {lambda}");
                            checked += 1;
                        }
                    }
                }
            }
        }
        assert!(checked > 10_000);
    }

    #[test]
    fn the_last_accumulator_of_a_value_is_found() {
        let steps = Steps::of(&Requantise::shift(9, 0, 63));
        assert_eq!((steps.last_with(0), steps.last_with(62)), (255, 62 * 512 + 255));
    }
}
