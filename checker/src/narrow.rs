//! One bound for everything at once: a weighted sum of facts, with any multiplier for every pre-activation, is an upper bound of a sum
//! that no counterexample makes negative. So it excludes the region, or narrows the range of every input and pre-activation in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::case::{self, Prepared};
use crate::certificate::{Cursor, Fault};
use crate::facts::shrink;
use crate::kernel::nonzero;
use crate::plan::{Activation, Operand, Step};
use crate::relax::{Relaxed, constant_error};
use crate::rounding::{SLACK, TINY, UNIT, gamma};
use crate::state::{State, upper_end};
use crate::steps::{Reference, Stepper};
use crate::sweep::Batch;

/// An upper bound of one hinge's value in the values of others and the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cap {
    /// The hinge's node and element.
    hinge: (usize, usize),
    /// Nodes, their elements, coefficients.
    terms: Vec<(usize, usize, f64)>,
    /// The constant; infinite where nothing is known.
    bias: f64,
}

/// A multiplier as it is given: `number`, and the default slope times the coefficient besides if `keeps`.
#[derive(Clone, Copy, Debug)]
struct Given {
    keeps: bool,
    number: f64,
}

/// How one row passes hinges, and the terms that it leaves there.
#[derive(Debug)]
pub struct Multipliers<'a> {
    state: &'a State,
    /// Multipliers that are not given take default slopes; otherwise they are 0.
    defaults: bool,
    /// By node and element.
    given: &'a BTreeMap<(usize, usize), Given>,
    terms: Vec<Term>,
    /// Where a row is not zero.
    places: Vec<usize>,
}

/// `c h(a) - lambda a` of an element, which is at most `most` in the state.
#[derive(Debug)]
struct Term {
    /// Its place among all activations' elements.
    place: usize,
    /// The slope on either side of 0, rounded so that the products are upper bounds of the term: below, above.
    slopes: (f64, f64),
    most: f64,
}

/// Slopes `(s c - lambda, c - lambda)`, the first rounded down, the second up: times `a` they are at least the term.
fn slopes(c: f64, lambda: f64, s: f64) -> (f64, f64) {
    let exact = s == 0.0 || s.abs() == 1.0;
    let below = if exact { s * c } else { (s * c).next_down() };
    let down = |x: f64, y: f64| if x == y { 0.0 } else { (x - y).next_down() };
    (down(below, lambda), -down(lambda, c))
}

/// `slope a`, rounded up.
fn product(slope: f64, a: f64) -> f64 {
    if slope == 0.0 || a == 0.0 { 0.0 } else { (slope * a).next_up() }
}

/// At least `c h(a) - lambda a` for every `a` in `[low, high]`.
fn most((below, above): (f64, f64), low: f64, high: f64) -> f64 {
    let at = |a: f64| product(if a < 0.0 { below } else { above }, a);
    let ends = [at(low), at(high), if low < 0.0 && high > 0.0 { 0.0 } else { f64::NEG_INFINITY }];
    if ends.iter().any(|x| x.is_nan()) { f64::INFINITY } else { ends.into_iter().fold(f64::NEG_INFINITY, f64::max) }
}

/// The ends of what of `[low, high]` has `slope a >= least`, rounded outward; none for nothing.
fn reaching(slope: f64, least: f64, low: f64, high: f64) -> Option<(f64, f64)> {
    let (mut low, mut high) = (low, high);
    // Comparisons with NaN change nothing.
    if slope > 0.0 {
        let end = (least / slope).next_down();
        low = if end > low { end } else { low };
    } else if slope < 0.0 {
        let end = (least / slope).next_up();
        high = if end < high { end } else { high };
    } else if least > 0.0 {
        return None;
    }
    (!(low > high)).then_some((low, high))
}

impl Multipliers<'_> {
    /// Replaces the coefficients `now` of the hinges at node `id` by multipliers of what they read, and pays for it.
    pub fn pass(&mut self, id: usize, now: &mut [f64], relaxed: &Relaxed, (constant, error): (&mut f64, &mut f64)) {
        let (node, prepared) = (&relaxed.plan.nodes[id], &relaxed.nodes[id]);
        let Step::Hinge(activation, s, operand) = &node.step else { return };
        let start = relaxed.plan.activations[*activation].start;
        let own = if *s == 0.0 || s.abs() == 1.0 { (0.0, 0.0) } else { relaxed.deployed.product() };
        let count = if node.compressed { prepared.live.len() } else { node.len };
        // Rows are mostly zeros: what is not zero, or will not be.
        self.places.clear();
        self.places.extend(nonzero(&now[..count]).map(|x| x.0));
        let given = self.given.range((id, 0)..(id + 1, 0)).filter_map(|(&(_, j), _)| prepared.place(node.compressed, j));
        self.places.extend(given.filter(|&r| now[r] == 0.0));
        for &r in &self.places {
            let (j, now) = (if node.compressed { prepared.live[r] as usize } else { r }, &mut now[r]);
            let (c, low, high) = (*now, self.state.below[start + j], self.state.above[start + j]);
            let given = self.given.get(&(id, j)).copied().unwrap_or(Given { keeps: self.defaults, number: 0.0 });
            let lambda = if given.keeps { default_slope(c, low, high, *s) * c } else { 0.0 } + given.number;
            if c == 0.0 && lambda == 0.0 {
                continue;
            }
            let slopes = slopes(c, lambda, *s);
            let most = most(slopes, low, high);
            self.terms.push(Term { place: start + j, slopes, most });
            let (bias, cost) = match operand {
                Operand::Joined(sum) => (sum.bias.get(j).copied().unwrap_or(0.0), relaxed.start_error(id, r)),
                Operand::Node(p) => {
                    let adding = gamma(relaxed.plan.nodes[*p].terms.saturating_add(2)) * relaxed.nodes[*p].value[j];
                    (0.0, relaxed.deployed_error(*p, j) + adding)
                }
            };
            *now = lambda;
            *constant += most;
            // Later sums round it as they round every constant.
            *error += constant_error(relaxed.plan) * most.abs() * SLACK + 2.0 * UNIT * constant.abs();
            *constant += lambda * bias;
            *error += (lambda.abs() * (cost + 2.0 * UNIT * bias.abs()) + c.abs() * (own.0 * low.abs().max(high.abs()) + own.1)) * SLACK;
            *error += 2.0 * UNIT * constant.abs() + TINY;
        }
    }
}

/// The slope of the default line of a hinge above it (`c > 0`) or below it.
fn default_slope(c: f64, low: f64, high: f64, s: f64) -> f64 {
    let chord = (high - s * low) / (high - low);
    match (low >= 0.0, high <= 0.0, c > 0.0) {
        (true, ..) => 1.0,
        (_, true, _) => s,
        (.., true) => {
            if chord.is_finite() {
                chord
            } else {
                0.0
            }
        }
        _ => {
            if high > -low {
                1.0
            } else {
                s
            }
        }
    }
}

/// Adds `c` times a value to the batch's first row, into which `adds` numbers are added at most besides what readers pass.
fn add_value(batch: &mut Batch, relaxed: &Relaxed, (id, j): (usize, usize), c: f64, adds: usize) {
    let (node, prepared) = (&relaxed.plan.nodes[id], &relaxed.nodes[id]);
    // What is left out is zero.
    let Some(r) = prepared.place(node.compressed, j) else { return };
    let width = prepared.width;
    batch.coefficients(id, width)[r] += c;
    batch.errors[0][0] += 4.0 * UNIT * c.abs() * (node.terms.saturating_add(adds)) as f64 * prepared.value[r] * SLACK + TINY;
}

fn add_constant(batch: &mut Batch, relaxed: &Relaxed, constant: f64) {
    batch.constants[0][0] += constant;
    let error = constant_error(relaxed.plan) * constant.abs() + 2.0 * UNIT * batch.constants[0][0].abs();
    batch.errors[0][0] += error * SLACK + TINY;
}

impl Stepper<'_> {
    /// Step 0x14: excludes the region or narrows its ranges by one weighted sum with given multipliers.
    pub(crate) fn narrow(&mut self, cursor: &mut Cursor, case: &Prepared, state: &mut State) -> Result<(), Fault> {
        let defaults = match cursor.byte()? {
            x @ (0 | 1) => x == 1,
            x => return cursor.fault(format!("{x} is no rule for multipliers")),
        };
        // Rows are facts of one disjunct only.
        let alone = if let [only] = state.open[..] { Some(only as usize) } else { None };
        let rows = alone.map_or(0, |d| case.disjuncts[d].len());
        self.read_weights(cursor, [rows, case.cuts.len(), 0, state.caps.len()])?;
        let given = self.read_multipliers(cursor)?;
        if state.void {
            return Ok(());
        }
        self.begin_row(state);
        let numbers = |reference: Reference| if let Reference::Cap(i) = reference { 1 + state.caps[i].terms.len() } else { 1 };
        let adds = self.weights.iter().map(|w| numbers(w.0)).sum();
        let mut strict = false;
        for &(reference, weight) in self.weights.iter().filter(|w| w.1 > 0.0) {
            match (reference, alone) {
                (Reference::Row(row), Some(d)) => {
                    let row = &case.disjuncts[d][row];
                    row.add(&self.relaxed, &mut self.batch, 0, state, weight, adds);
                    strict |= row.strict;
                }
                (Reference::Cut(i), _) => {
                    let (v, k) = &case.cuts[i];
                    for (d, v) in v.iter().enumerate().filter(|v| *v.1 != 0.0) {
                        let Some((id, offset)) = self.relaxed.plan.input_at(d) else { continue };
                        add_value(&mut self.batch, &self.relaxed, (id, d - offset), weight * v, adds);
                    }
                    add_constant(&mut self.batch, &self.relaxed, weight * k);
                }
                (Reference::Cap(i), _) => {
                    let cap = &state.caps[i];
                    add_value(&mut self.batch, &self.relaxed, cap.hinge, -weight, adds);
                    for &(id, j, g) in &cap.terms {
                        add_value(&mut self.batch, &self.relaxed, (id, j), weight * g, adds);
                    }
                    add_constant(&mut self.batch, &self.relaxed, weight * cap.bias);
                }
                _ => return cursor.fault("the fact cannot be used here"),
            }
        }
        let (total, terms) = self.finish_row(state, defaults, &given);
        // Nothing is known where numbers end.
        if total.is_finite() {
            state.void |= case::excludes(total, strict);
            shrink_all(self.batch.form(0).0, total, &terms, state);
        }
        Ok(())
    }

    /// Activations, elements and numbers.
    fn read_multipliers(&self, cursor: &mut Cursor) -> Result<BTreeMap<(usize, usize), Given>, Fault> {
        let mut given = BTreeMap::new();
        for _ in 0..cursor.length()? {
            let (id, element) = self.read_hinge(cursor, 2)?;
            let number = cursor.short()?;
            given.insert((id, element / 2), Given { keeps: element % 2 == 1, number });
        }
        Ok(given)
    }

    /// A hinge's node and a number below `factor` times its elements.
    fn read_hinge(&self, cursor: &mut Cursor, factor: usize) -> Result<(usize, usize), Fault> {
        let plan = self.relaxed.plan;
        let activation = &plan.activations[cursor.index(plan.activations.len(), "activation")?];
        let element = cursor.index(factor * activation.len, "element")?;
        match plan.nodes[activation.node].step {
            Step::Hinge(..) => Ok((activation.node, element)),
            _ => cursor.fault("only hinges have multipliers and caps"),
        }
    }

    /// Step 0x31: an upper bound of a hinge that later sums can use.
    pub(crate) fn cap(&mut self, cursor: &mut Cursor, state: &mut State) -> Result<(), Fault> {
        let hinge = self.read_hinge(cursor, 1)?;
        let mut terms = Vec::new();
        for _ in 0..cursor.length()? {
            let (id, j) = if let Some(activation) = self.read_variable(cursor)? {
                (activation.node, cursor.index(activation.len, "element")?)
            } else {
                let i = cursor.index(state.low.len(), "input")?;
                self.relaxed.plan.input_at(i).map_or((0, 0), |(id, offset)| (id, i - offset))
            };
            terms.push((id, j, cursor.short()?));
        }
        let mut cap = Cap { hinge, terms, bias: f64::INFINITY };
        if !state.void {
            cap.bias = self.reach(&cap, state);
        }
        state.caps.push(Arc::new(cap));
        Ok(())
    }

    /// A variable: none for the inputs, or a hinge by its activation plus one.
    fn read_variable(&self, cursor: &mut Cursor) -> Result<Option<&Activation>, Fault> {
        let plan = self.relaxed.plan;
        let number = cursor.index(plan.activations.len() + 1, "variable")?;
        let Some(activation) = number.checked_sub(1).map(|a| &plan.activations[a]) else { return Ok(None) };
        match plan.nodes[activation.node].step {
            Step::Hinge(..) => Ok(Some(activation)),
            _ => cursor.fault("only hinges have multipliers and caps"),
        }
    }

    /// `max(a, s a) - g z` is at most the greater one of the bounds of `a - g z` and `s a - g z`.
    fn reach(&mut self, cap: &Cap, state: &mut State) -> f64 {
        let ((id, j), mut greatest) = (cap.hinge, f64::NEG_INFINITY);
        let Step::Hinge(activation, s, _) = &self.relaxed.plan.nodes[id].step else { return f64::INFINITY };
        for slope in [1.0, *s] {
            self.begin_row(state);
            if slope != 0.0 && !self.batch.add_operand(&self.relaxed, id, j, &[(0, slope)]) {
                return f64::INFINITY;
            }
            for &(id, j, g) in &cap.terms {
                add_value(&mut self.batch, &self.relaxed, (id, j), -g, cap.terms.len());
            }
            let bound = self.finish_row(state, false, &BTreeMap::new()).0;
            greatest = if bound.is_nan() { f64::INFINITY } else { greatest.max(bound) };
        }
        let place = self.relaxed.plan.activations[*activation].start + j;
        let own = if *s == 0.0 || s.abs() == 1.0 { (0.0, 0.0) } else { self.relaxed.deployed.product() };
        let wrong = (own.0 * state.below[place].abs().max(state.above[place].abs()) + own.1) * SLACK;
        if wrong.is_nan() { f64::INFINITY } else { (greatest + wrong).next_up() }
    }

    /// Prepares everything, no element left out from now on, and starts one row.
    fn begin_row(&mut self, state: &mut State) {
        if !std::mem::replace(&mut state.whole, true) {
            state.fixed.fill(true);
            self.relaxed.forget_from(0);
        }
        self.relaxed.prepare(self.relaxed.plan.nodes.len(), state);
        self.batch.start(1, self.relaxed.plan.nodes.len());
    }

    /// Takes the row down: the sum's bound in the region, and its terms at hinges.
    fn finish_row(&mut self, state: &State, defaults: bool, given: &BTreeMap<(usize, usize), Given>) -> (f64, Vec<Term>) {
        for &(id, _) in given.keys() {
            self.batch.coefficients(id, self.relaxed.nodes[id].width);
        }
        let mut multipliers = Multipliers { state, defaults, given, terms: Vec::new(), places: Vec::new() };
        self.batch.descend_with(&self.relaxed, &mut multipliers);
        let (v, constant) = self.batch.form(0);
        (upper_end(v, constant, &state.low, &state.high), multipliers.terms)
    }
}

/// No term of a sum that is at least 0 lies further below its maximum than the bound of the sum.
fn shrink_all(v: &[f64], total: f64, terms: &[Term], state: &mut State) {
    let (low, high) = (state.low.clone(), state.high.clone());
    state.settled = false;
    shrink(v, total, (&low, &high), (&mut state.low, &mut state.high));
    for term in terms {
        let least = (term.most - total).next_down();
        let (low, high) = (state.below[term.place], state.above[term.place]);
        let left = if low <= 0.0 { reaching(term.slopes.0, least, low, high.min(0.0)) } else { None };
        let right = if high >= 0.0 { reaching(term.slopes.1, least, low.max(0.0), high) } else { None };
        let hull = match (left, right) {
            (Some(a), Some(b)) => (a.0.min(b.0), a.1.max(b.1)),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => {
                state.void = true;
                return;
            }
        };
        (state.below[term.place], state.above[term.place]) = hull;
        state.void |= hull.0 > hull.1;
    }
    state.void |= state.low.iter().zip(&state.high).any(|(l, h)| l > h);
}
