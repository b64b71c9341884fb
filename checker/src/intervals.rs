//! Interval arithmetic: ranges of what an activation reads, from the ranges of the activations below it.

use crate::curve::Planes;
use crate::plan::{Operand, Step, Sum};
use crate::relax::{Relaxed, pick};
use crate::rounding::{SLACK, TINY, gamma};
use crate::state::State;

/// Middles and radii of a node's elements; not finite where nothing is known.
#[derive(Clone, Debug, Default)]
struct Ranges {
    middle: Vec<f64>,
    radius: Vec<f64>,
}

impl Ranges {
    fn push(&mut self, low: f64, high: f64) {
        let middle = 0.5 * low + 0.5 * high;
        self.middle.push(middle);
        self.radius.push((high - middle).max(middle - low).next_up());
    }
}

/// Meets the intervals of an activation's operand, which must be prepared, with what interval arithmetic says.
pub fn refresh(relaxed: &Relaxed, activation: usize, state: &mut State) {
    let (plan, place) = (relaxed.plan, &relaxed.plan.activations[activation]);
    let node = &plan.nodes[place.node];
    let ranges = ranges_below(relaxed, place.node, state);
    let operand = match &node.step {
        Step::Hinge(_, _, Operand::Joined(sum)) => through(sum, &ranges, |j| {
            let r = relaxed.nodes[place.node].place(node.compressed, j)?;
            Some((relaxed.nodes[place.node].operand[r], relaxed.start_error(place.node, r)))
        }),
        Step::Hinge(_, _, Operand::Node(p)) | Step::Maximum(_, _, p) | Step::Curve(_, _, p) | Step::Product(_, p) => {
            let mut own = ranges[*p].clone();
            own.radius.iter_mut().enumerate().for_each(|(j, r)| *r = (*r + relaxed.deployed_error(*p, j) * SLACK).next_up());
            own
        }
        _ => return,
    };
    for (j, (m, r)) in operand.middle.iter().zip(&operand.radius).enumerate() {
        let (low, high) = ((m - r).next_down(), (m + r).next_up());
        // Comparisons with NaN are false.
        if low > state.below[place.start + j] {
            state.below[place.start + j] = low;
        }
        if high < state.above[place.start + j] {
            state.above[place.start + j] = high;
        }
    }
    state.notice_empty();
}

/// The ranges of all nodes before `end`; affine nodes as exact functions of what they read.
fn ranges_below(relaxed: &Relaxed, end: usize, state: &State) -> Vec<Ranges> {
    let mut all: Vec<Ranges> = Vec::with_capacity(end);
    for (id, node) in relaxed.plan.nodes[..end].iter().enumerate() {
        let mut own = Ranges::default();
        match &node.step {
            Step::Joined => (),
            Step::Input(offset) => (0..node.len).for_each(|i| own.push(state.low[offset + i], state.high[offset + i])),
            Step::Constant(numbers) => numbers.iter().for_each(|&x| own.push(x, x)),
            Step::Affine(sum) => own = through(sum, &all, |j| Some((relaxed.nodes[id].value[j], 0.0))),
            Step::Hinge(activation, slope, _) => {
                let start = relaxed.plan.activations[*activation].start;
                let product = if *slope == 0.0 || slope.abs() == 1.0 { (0.0, 0.0) } else { relaxed.deployed.product() };
                for j in start..start + node.len {
                    let (low, high) = hinge(state.below[j], state.above[j], *slope);
                    let wrong = (product.0 * low.abs().max(high.abs()) + product.1) * SLACK;
                    own.push(low - wrong, high + wrong);
                }
            }
            Step::Maximum(activation, groups, _) => {
                let start = relaxed.plan.activations[*activation].start;
                let (below, above) = (&state.below[start..], &state.above[start..]);
                for group in groups {
                    let pick = pick(group, below, above);
                    own.push(below[pick.element as usize], pick.most);
                }
            }
            Step::Curve(activation, function, _) => {
                let start = relaxed.plan.activations[*activation].start;
                for j in start..start + node.len {
                    let on = (state.below[j], state.above[j]);
                    let range = function.range(on.0, on.1);
                    let wrong = relaxed.deployed_curve(*function, on, range);
                    own.push((range.0 - wrong).next_down(), (range.1 + wrong).next_up());
                }
            }
            Step::Product(activation, _) => {
                let (start, len) = (relaxed.plan.activations[*activation].start, node.len);
                let of = |i: usize| (state.below[i], state.above[i]);
                for j in start..start + len {
                    let range = Planes::range(of(j), of(len + j));
                    let wrong = relaxed.deployed_product(range.0.abs().max(range.1.abs()));
                    own.push((range.0 - wrong).next_down(), (range.1 + wrong).next_up());
                }
            }
        }
        all.push(own);
    }
    all
}

/// The range of `max(a, s a)` for `a` in `[low, high]`, widened for its own rounding.
fn hinge(low: f64, high: f64, slope: f64) -> (f64, f64) {
    let at = |a: f64| if a >= 0.0 || slope == 1.0 { a } else { slope * a };
    let (left, right) = (at(low), at(high));
    let least = if low <= 0.0 && high >= 0.0 { left.min(right).min(0.0) } else { left.min(right) };
    let most = left.max(right);
    if slope == 0.0 || slope.abs() == 1.0 { (least, most) } else { (least.next_down(), most.next_up()) }
}

/// An affine map of ranges; `cost` gives an element's magnitude and what else it may err by, none if it does not matter.
fn through(sum: &Sum, ranges: &[Ranges], cost: impl Fn(usize) -> Option<(f64, f64)>) -> Ranges {
    let len = sum.parts.first().map_or(sum.bias.len(), |p| p.1.outputs());
    let mut own = Ranges { middle: sum.bias.clone(), radius: vec![0.0; len] };
    own.middle.resize(len, 0.0);
    for (p, map) in &sum.parts {
        map.apply(&ranges[*p].middle, false, &mut own.middle);
        map.apply(&ranges[*p].radius, true, &mut own.radius);
    }
    // Middles and radii are at most the magnitude, or twice that by rounding; every term meets at most `fan_in` sums and two products.
    let relative = (4.0 * gamma(sum.fan_in.saturating_add(4)) + 4.0 * sum.relative) * SLACK;
    for (j, r) in own.radius.iter_mut().enumerate() {
        *r = match cost(j) {
            Some((magnitude, wrong)) => (*r + (relative * magnitude + wrong + TINY * (sum.fan_in as f64 + 4.0)) * SLACK).next_up(),
            None => f64::NAN,
        };
    }
    own
}

/// No operand is larger than its magnitude: intervals for a root.
pub fn bound_by_magnitude(relaxed: &Relaxed, activation: usize, state: &mut State) {
    let (plan, place) = (relaxed.plan, &relaxed.plan.activations[activation]);
    let (prepared, node) = (&relaxed.nodes[place.node], &plan.nodes[place.node]);
    for j in 0..place.len {
        let size = match &node.step {
            Step::Hinge(_, _, Operand::Joined(_)) => {
                let Some(r) = prepared.place(node.compressed, j) else { continue };
                prepared.operand[r] + relaxed.start_error(place.node, r)
            }
            Step::Hinge(_, _, Operand::Node(p)) | Step::Maximum(_, _, p) | Step::Curve(_, _, p) | Step::Product(_, p) => {
                relaxed.nodes[*p].value[j] + relaxed.deployed_error(*p, j)
            }
            _ => continue,
        };
        state.meet(place.start + j, false, size.next_up());
        state.meet(place.start + j, true, size.next_up());
    }
}
