//! What a node of the tree makes of functions that are not piecewise linear, and of products.

use super::*;
use crate::curve::{Curve, Lines, Planes};
use crate::function::{Function, Interval};

impl Relaxed<'_> {
    /// The range of `function` on an operand in `[low, high]`, and how far it may be off as deployed.
    pub fn deployed_curve(&self, function: Function, (low, high): Interval, range: Interval) -> f64 {
        let (relative, absolute) = self.deployed.of_function(function, low, high);
        (relative * range.0.abs().max(range.1.abs()) + absolute) * SLACK
    }

    /// How far a product of at most this size may be off as deployed.
    pub fn deployed_product(&self, size: f64) -> f64 {
        let (relative, absolute) = self.deployed.product();
        (relative * size + absolute) * SLACK
    }

    /// The lines of a function: what its operand costs is paid for what the coefficient passes on.
    pub(super) fn curve(&mut self, id: usize, activation: usize, function: Function, source: usize, state: &State) {
        let start = self.plan.activations[activation].start;
        let (mut made, count) = (std::mem::take(&mut self.nodes[id]), self.plan.nodes[id].len);
        made.clear_lines(count);
        let mut sizes = 0.0;
        for j in 0..count {
            let on = (state.below[start + j], state.above[start + j]);
            let lines = Lines::of(function, on.0, on.1);
            let deployed = self.deployed_curve(function, on, lines.range);
            let steeper = (lines.upper.0.abs().max(lines.lower.0.abs()), lines.upper.1.abs().max(lines.lower.1.abs()));
            (made.upper_slope[j], made.upper_constant[j]) = lines.upper;
            (made.lower_slope[j], made.lower_constant[j]) = lines.lower;
            made.error[j] = self.line_error(source, j, steeper, deployed);
            made.value[j] = self.deployed.magnitude((lines.range.0.abs().max(lines.range.1.abs()) + deployed) * SLACK);
            sizes += self.nodes[source].value[j];
        }
        made.own_error.clone_from(&made.error);
        made.finish_values(count);
        made.underflow = TINY * (2.0 * count as f64 + sizes) * SLACK;
        self.nodes[id] = made;
    }

    /// What a unit of coefficient pays for passing a line on element `j` of `source`, of a function that is so far off as deployed.
    fn line_error(&self, source: usize, j: usize, (slope, constant): (f64, f64), deployed: f64) -> f64 {
        (deployed + slope.abs() * self.passing(source, j) + constant_error(self.plan) * constant.abs()) * SLACK + TINY
    }

    /// The line above (or below) a function of element `j` of `source` that lies closest at the share `at` of its interval `on`: slope,
    /// constant, and what a unit of coefficient pays.
    pub fn line_at(
        &self,
        (function, source, j): (Function, usize, usize),
        (curve, on): (&Curve, Interval),
        above: bool,
        at: f64,
    ) -> [f64; 3] {
        let line = if above { curve.upper(at) } else { curve.lower(at) };
        [line.0, line.1, self.line_error(source, j, line, self.deployed_curve(function, on, curve.range))]
    }

    /// The planes of products of elements `j` and `len + j` of the source.
    pub(super) fn product(&mut self, id: usize, activation: usize, source: usize, state: &State) {
        let start = self.plan.activations[activation].start;
        let (mut made, count) = (std::mem::take(&mut self.nodes[id]), self.plan.nodes[id].len);
        made.clear_lines(count);
        made.planes.clear();
        let mut sizes = 0.0;
        for j in 0..count {
            let of = |i: usize| (state.below[start + i], state.above[start + i]);
            let planes = Planes::of(of(j), of(count + j));
            let passed = planes.slopes.0.abs() * self.passing(source, j) + planes.slopes.1.abs() * self.passing(source, count + j);
            let constant = planes.least.abs().max(planes.most.abs());
            let deployed = self.deployed_product(planes.size);
            made.error[j] = (deployed + passed + constant_error(self.plan) * constant) * SLACK + TINY;
            made.value[j] = self.deployed.magnitude((planes.size + deployed) * SLACK);
            made.planes.push(planes);
            sizes += self.nodes[source].value[j] + self.nodes[source].value[count + j];
        }
        made.finish_values(count);
        made.underflow = TINY * (4.0 * count as f64 + sizes) * SLACK;
        self.nodes[id] = made;
    }

    /// What a unit of coefficient that is passed on to an element of the source costs: its product with a slope, being added to
    /// what other readers pass on, and what the deployed network makes of the element.
    fn passing(&self, source: usize, j: usize) -> f64 {
        let rounding = gamma(self.plan.nodes[source].terms.saturating_add(2)) + 2.0 * UNIT;
        self.deployed_error(source, j) + rounding * self.nodes[source].value[j]
    }
}
