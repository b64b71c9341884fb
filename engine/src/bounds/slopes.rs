//! Optimised slopes (alpha-CROWN, Xu et al., ICLR 2021): every row has lines of its own at every element whose relaxation
//! leaves a choice, moved down the gradient of the row's bound.
//!
//! Any slopes are sound: each sweep pays the supremum of what its own lines leave. The gradient needs no
//! differentiation of code: with `hbar` the values of the lines along the way up from the inputs that attain the bound,
//! the bound's derivative in the slope of an element with coefficient `c` is `c (z - a)`, where `z` is the operand's `hbar`
//! and `a` a point at which the line touches (ARCHITECTURE.md, "The one idea").

use super::Relaxation;
use super::crown::NodeLines;
use super::sweep::{Form, SLACK, Sweep};
use crate::graph::NodeId;
use crate::kernels::rows::Lines;
use crate::kernels::vectors::{AdamStep, adam, follow_lines, relax_rows_with};
use crate::ops::{Affine, General, Operation, Scalar, Working};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    /// Steps down the gradient.
    pub steps: usize,
    /// First step size.
    pub rate: f64,
    /// Factor from step to step.
    pub decay: f64,
}

impl Descent {
    /// The usual settings.
    pub fn of(steps: usize) -> Descent {
        Descent { steps, rate: 0.1, decay: 0.98 }
    }
}

/// What a row has chosen at a scalar node, in 255ths for each element: of a hinge the slope below it, of any other function where in the
/// operand's interval its line lies closest.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// The node.
    pub node: NodeId,
    /// One per element.
    pub shares: Vec<u8>,
}

/// Slopes of one kind at one node: one per row and element, with what the optimiser remembers.
#[derive(Debug, Default)]
struct Choice<F> {
    /// Least and greatest slope of each element.
    least: Vec<F>,
    most: Vec<F>,
    slope: Vec<F>,
    mean: Vec<F>,
    square: Vec<F>,
}

impl<F: Working> Choice<F> {
    fn new(start: &[F], ranges: Vec<(F, F)>, count: usize) -> Choice<F> {
        let (least, most): (Vec<F>, Vec<F>) = ranges.into_iter().unzip();
        let all = count * start.len();
        Choice { least, most, slope: start.repeat(count), mean: vec![F::ZERO; all], square: vec![F::ZERO; all] }
    }

    fn step(&mut self, r: usize, gradient: &[F], step: AdamStep<F>) {
        let part = r * gradient.len()..(r + 1) * gradient.len();
        let (slope, mean, square) = (&mut self.slope[part.clone()], &mut self.mean[part.clone()], &mut self.square[part]);
        adam(slope, gradient, mean, square, &self.least, &self.most, step);
    }
}

/// What one scalar node chooses.
#[derive(Debug)]
struct Free<F> {
    lower: Choice<F>,
    /// None for functions with a kink at 0: their upper line is the chord.
    upper: Option<Choice<F>>,
    /// Per unit of absolute coefficient, for the steepest slopes allowed.
    error: Vec<F>,
    /// Ends of the operand's intervals.
    low: Vec<F>,
    high: Vec<F>,
}

/// The slopes of `count` rows.
#[derive(Debug)]
pub(super) struct Slopes<F> {
    count: usize,
    free: Vec<Option<Free<F>>>,
    /// Coefficients of the last sweep at every scalar node.
    traces: Vec<Vec<F>>,
    /// For each node the last node that reads it, of those that the rows depend on; itself if none does.
    last_reader: Vec<NodeId>,
    needed: Vec<bool>,
}

impl<F: Working> Slopes<F> {
    pub(super) fn new(relaxation: &Relaxation<F>, starts: &[NodeId], count: usize) -> Slopes<F> {
        let nodes = &relaxation.network.graph.nodes;
        let last = starts.iter().copied().max().unwrap_or(0);
        let mut needed = vec![false; last + 1];
        starts.iter().for_each(|&s| needed[s] = true);
        let mut last_reader: Vec<NodeId> = (0..=last).collect();
        for id in (0..=last).rev() {
            if needed[id] {
                for &p in &nodes[id].inputs {
                    needed[p] = true;
                    last_reader[p] = last_reader[p].max(id);
                }
            }
        }
        let free = |id: NodeId| match &nodes[id].operation {
            Operation::Scalar(op) if needed[id] => relaxation.free(id, op.as_ref(), count),
            _ => None,
        };
        Slopes { count, free: (0..=last).map(free).collect(), traces: vec![Vec::new(); last + 1], last_reader, needed }
    }

    /// Numbers kept per row over the nodes up to `last`, about.
    pub(super) fn numbers_per_row(relaxation: &Relaxation<F>, last: NodeId) -> usize {
        let nodes = relaxation.network.graph.nodes[..=last].iter();
        nodes.filter(|n| matches!(n.operation, Operation::Scalar(_))).map(|n| 5 * n.len()).sum()
    }

    /// What a row of the last sweep has chosen.
    fn choices(&self, relaxation: &Relaxation<F>, row: usize) -> Vec<Choices> {
        let nodes = &relaxation.network.graph.nodes;
        let share = |x: f64| (255.0 * x).clamp(0.0, 255.0).round() as u8;
        let of = |(node, free): (NodeId, &Option<Free<F>>)| {
            let (free, Operation::Scalar(op)) = (free.as_ref()?, &nodes[node].operation) else { return None };
            let (len, ranges) = (nodes[node].len(), &relaxation.bounds.ranges[nodes[node].inputs[0]]);
            let one = |i: usize| {
                let (at, x) = (row * len + i, ranges.at(i));
                let lower = free.lower.slope[at].to_f64();
                let touch = match &free.upper {
                    None => return share(lower),
                    // A node that no row reaches has no coefficients.
                    Some(upper) if self.traces[node].get(at).is_some_and(|&c| c > F::ZERO) => {
                        op.upper_touch(upper.slope[at].to_f64(), x, x.middle())
                    }
                    Some(_) => op.lower_touch(lower, x, x.middle()),
                };
                share((touch - x.low) / (x.high - x.low))
            };
            Some(Choices { node, shares: (0..len).map(one).collect() })
        };
        self.free.iter().enumerate().filter_map(of).collect()
    }

    /// True if no slope can be chosen.
    fn nothing_free(&self) -> bool {
        self.free.iter().all(|f| f.is_none())
    }

    /// Rows of coefficients of node `id` become rows of its operand, in place.
    pub(super) fn relax(&mut self, relaxation: &Relaxation<F>, id: NodeId, c: &mut [F], work: &mut Sweep<F>) {
        self.traces[id].clear();
        self.traces[id].extend_from_slice(c);
        let lines = &relaxation.lines[id];
        let width = relaxation.network.graph.nodes[id].len();
        match &self.free[id] {
            None => crate::kernels::rows::relax_rows(c, width, work.count, lines.lines(), &mut work.constants, &mut work.errors),
            Some(free) if free.upper.is_none() => {
                let lines = Lines { error: &free.error, ..lines.lines() };
                relax_rows_with(c, &free.lower.slope, width, work.count, lines, &mut work.constants, &mut work.errors);
            }
            Some(free) => relaxation.relax_curve(id, free, c, work),
        }
    }

    /// One step of all slopes, from the points of the box at which the forms of the last sweep are greatest.
    fn descend(&mut self, relaxation: &Relaxation<F>, forms: &[Form<F>], step: AdamStep<F>) {
        let graph = relaxation.network.graph;
        let last = self.needed.len() - 1;
        let mut values: Vec<Vec<F>> = vec![Vec::new(); last + 1];
        let mut taken = 0;
        for id in 0..=last {
            let node = &graph.nodes[id];
            let first = taken;
            if let Operation::Input = node.operation {
                taken += node.len();
            }
            if !self.needed[id] || (id == last && !matches!(node.operation, Operation::Scalar(_))) {
                continue;
            }
            values[id] = match &node.operation {
                Operation::Input => worst_points(relaxation, id, forms, first),
                Operation::Constant(c) => (0..self.count).flat_map(|_| (0..c.len()).map(|i| F::from_f64(c.at(i)))).collect(),
                Operation::Affine(op) => apply(op.as_ref(), &node.inputs, &values, node.len(), self.count),
                Operation::Scalar(op) => self.follow(relaxation, id, op.as_ref(), values[node.inputs[0]].clone(), step),
                Operation::General(op) => evaluate(op.as_ref(), &node.inputs, &values, node.len(), self.count),
            };
            for &p in node.inputs.iter().filter(|&&p| self.last_reader[p] == id) {
                values[p] = Vec::new();
            }
        }
    }

    /// Values of the lines of scalar node `id` at the operand's values `z`; moves its slopes.
    fn follow(&mut self, relaxation: &Relaxation<F>, id: NodeId, op: &dyn Scalar, mut z: Vec<F>, step: AdamStep<F>) -> Vec<F> {
        let lines = &relaxation.lines[id];
        let mut c = std::mem::take(&mut self.traces[id]);
        let len = relaxation.network.graph.nodes[id].len();
        // A node that no row reaches has no coefficients: its lower lines do.
        c.resize(z.len(), F::ZERO);
        for r in 0..self.count {
            let part = r * len..(r + 1) * len;
            let (z, c) = (&mut z[part.clone()], &mut c[part.clone()]);
            match &mut self.free[id] {
                None => {
                    for i in 0..len {
                        let up = c[i] > F::ZERO;
                        let (t, k) = if up {
                            (lines.upper_slope[i], lines.upper_constant[i])
                        } else {
                            (lines.lower_slope[i], lines.lower_constant[i])
                        };
                        z[i] = t * z[i] + k;
                    }
                }
                Some(free) if free.upper.is_none() => {
                    let lower = &mut free.lower;
                    follow_lines(z, c, &lower.slope[part], (&lower.least, &lower.most), (&free.low, &free.high), lines.lines());
                    lower.step(r, c, step);
                }
                Some(free) => relaxation.follow_curve(id, op, free, (r, z, c), step),
            }
        }
        c.clear();
        self.traces[id] = c;
        z
    }
}

/// The corner of the box where each form is greatest; the middle where it does not depend on an input.
fn worst_points<F: Working>(relaxation: &Relaxation<F>, id: NodeId, forms: &[Form<F>], first: usize) -> Vec<F> {
    let ranges = &relaxation.bounds.ranges[id];
    let pick = |v: F, i: usize| match () {
        _ if v > F::ZERO => ranges.high[i],
        _ if v < F::ZERO => ranges.low[i],
        _ => ranges.at(i).middle(),
    };
    let point = |form: &Form<F>| (0..ranges.len()).map(|i| F::from_f64(pick(form.coefficients[first + i], i))).collect::<Vec<F>>();
    forms.iter().flat_map(point).collect()
}

fn apply<F: Working>(op: &dyn Affine, operands: &[NodeId], values: &[Vec<F>], len: usize, count: usize) -> Vec<F> {
    let mut y = match op.bias() {
        Some(bias) => (0..len).map(|i| F::from_f64(bias.at(i))).collect::<Vec<F>>().repeat(count),
        None => vec![F::ZERO; count * len],
    };
    for (k, &p) in operands.iter().enumerate() {
        F::apply(op, k, &values[p], &mut y, count, false);
    }
    y
}

fn evaluate<F: Working>(op: &dyn General, operands: &[NodeId], values: &[Vec<F>], len: usize, count: usize) -> Vec<F> {
    let mut all = Vec::with_capacity(count * len);
    for r in 0..count {
        let row = |p: &NodeId| -> Vec<f64> {
            let size = values[*p].len() / count;
            values[*p][r * size..(r + 1) * size].iter().map(|x| x.to_f64()).collect()
        };
        let inputs: Vec<Vec<f64>> = operands.iter().map(row).collect();
        let views: Vec<&[f64]> = inputs.iter().map(|v| &v[..]).collect();
        let mut output = vec![0.0; len];
        op.eval(&views, &mut output);
        all.extend(output.iter().map(|&y| F::from_f64(y)));
    }
    all
}

impl<F: Working> Relaxation<'_, F> {
    /// Upper forms of `count` rows after `descent`, the best of all steps for each row; stops early once `done` says so.
    pub fn optimised(
        &self,
        starts: &[(NodeId, Vec<F>)],
        count: usize,
        descent: Descent,
        done: &dyn Fn(&[Form<F>]) -> bool,
    ) -> Vec<Form<F>> {
        if descent.steps == 0 {
            return self.sweep(starts.to_vec(), count);
        }
        self.best_steps(starts, count, descent, done, &mut |_, _| ())
    }

    /// As [`Relaxation::optimised`], and for each row what its best step has chosen; stops early once `stop` says so.
    pub fn chosen(
        &self,
        starts: &[(NodeId, Vec<F>)],
        count: usize,
        descent: Descent,
        stop: &dyn Fn() -> bool,
    ) -> (Vec<Form<F>>, Vec<Vec<Choices>>) {
        let mut choices = vec![Vec::new(); count];
        let keep = &mut |slopes: &Slopes<F>, row: usize| choices[row] = slopes.choices(self, row);
        let forms = self.best_steps(starts, count, descent, &|_| stop(), keep);
        (forms, choices)
    }

    /// The best of all steps for each row; `keep` sees the slopes of a row whenever they are the best so far.
    fn best_steps(
        &self,
        starts: &[(NodeId, Vec<F>)],
        count: usize,
        descent: Descent,
        done: &dyn Fn(&[Form<F>]) -> bool,
        keep: &mut dyn FnMut(&Slopes<F>, usize),
    ) -> Vec<Form<F>> {
        let ids: Vec<NodeId> = starts.iter().map(|s| s.0).collect();
        let mut slopes = Slopes::new(self, &ids, count);
        let mut best: Vec<Form<F>> = Vec::new();
        for step in 0..=descent.steps {
            let work = self.descend(starts.to_vec(), count, Some(&mut slopes));
            let forms = self.forms(&work);
            let last = step == descent.steps || slopes.nothing_free() || forms.iter().all(|f| !f.bound.is_finite());
            let better = |row: &usize| best.get(*row).is_none_or(|b| forms[*row].bound < b.bound);
            (0..count).filter(better).for_each(|row| keep(&slopes, row));
            if !last {
                slopes.descend(self, &forms, adam_step(descent, step));
            }
            match best.is_empty() {
                true => best = forms,
                false => best.iter_mut().zip(forms).filter(|(b, f)| f.bound < b.bound).for_each(|(b, f)| *b = f),
            }
            if last || done(&best) {
                break;
            }
        }
        best
    }

    /// The choices at scalar node `id`; `None` if there are none.
    fn free(&self, id: NodeId, op: &dyn Scalar, count: usize) -> Option<Free<F>> {
        let ranges = &self.bounds.ranges[self.network.graph.nodes[id].inputs[0]];
        let lines: &NodeLines<F> = &self.lines[id];
        let fixed = |t: F| (t, t);
        let inside = |(a, b): (f64, f64), t: F| match (F::from_f64_up(a), F::from_f64_down(b)) {
            (a, b) if a < b && a <= t && t <= b => (a, b),
            _ => fixed(t),
        };
        let lower = |i: usize| -> (F, F) {
            let (x, t) = (ranges.at(i), lines.lower_slope[i]);
            match op.hinge() {
                // The line through the kink: any slope between those of the two sides.
                Some(s) if x.low < 0.0 && x.high > 0.0 => inside((s, 1.0), t),
                Some(_) => fixed(t),
                None => inside(op.lower_slope_range(x), t),
            }
        };
        let upper = |i: usize| inside(op.upper_slope_range(ranges.at(i)), lines.upper_slope[i]);
        let lowers: Vec<(F, F)> = (0..ranges.len()).map(lower).collect();
        let uppers: Option<Vec<(F, F)>> = op.hinge().is_none().then(|| (0..ranges.len()).map(upper).collect());
        if !lowers.iter().chain(uppers.iter().flatten()).any(|(a, b)| a < b) {
            return None;
        }
        let steepest = |i: usize| {
            let (a, b) = lowers[i];
            let (p, q) = uppers.as_ref().map_or(fixed(lines.upper_slope[i]), |u| u[i]);
            a.abs().max(b.abs()).max(p.abs()).max(q.abs()).to_f64()
        };
        let offset = |i: usize| lines.upper_constant[i].abs().max(lines.lower_constant[i].abs()).to_f64();
        let error = (0..ranges.len()).map(|i| self.line_error(id, op, i, steepest(i), offset(i))).collect();
        Some(Free {
            lower: Choice::new(&lines.lower_slope, lowers, count),
            upper: uppers.map(|u| Choice::new(&lines.upper_slope, u, count)),
            error,
            low: ranges.low.iter().map(|&x| F::from_f64(x)).collect(),
            high: ranges.high.iter().map(|&x| F::from_f64(x)).collect(),
        })
    }

    /// Rows through a function whose offsets depend on the slope, element by element.
    fn relax_curve(&self, id: NodeId, free: &Free<F>, c: &mut [F], work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        let (Operation::Scalar(op), Some(upper)) = (&node.operation, &free.upper) else { return };
        let (len, ranges) = (node.len(), &self.bounds.ranges[node.inputs[0]]);
        for (at, c) in c.iter_mut().enumerate().filter(|c| *c.1 != F::ZERO) {
            let (r, i) = (at / len, at % len);
            let x = ranges.at(i);
            let (t, offset) = match *c > F::ZERO {
                true => (upper.slope[at], op.upper_offset(upper.slope[at].to_f64(), x)),
                false => (free.lower.slope[at], op.lower_offset(free.lower.slope[at].to_f64(), x)),
            };
            let size = c.abs().to_f64();
            work.constants[r] += size * offset;
            // The offset is not the one that `error` knows of.
            work.errors[r] += size * (free.error[i].to_f64() + self.summing(len) * offset.abs()) * SLACK;
            *c = *c * t;
        }
    }

    /// Values of the lines of a row of such a function; moves the row's slopes.
    fn follow_curve(&self, id: NodeId, op: &dyn Scalar, free: &mut Free<F>, row: (usize, &mut [F], &mut [F]), step: AdamStep<F>) {
        let (r, z, c) = row;
        let ranges = &self.bounds.ranges[self.network.graph.nodes[id].inputs[0]];
        let (len, Some(upper)) = (z.len(), &mut free.upper) else { return };
        let mut up_gradient = vec![F::ZERO; len];
        for i in 0..len {
            let (x, near) = (ranges.at(i), z[i].to_f64());
            let up = c[i] > F::ZERO;
            let t = if up { upper.slope[r * len + i] } else { free.lower.slope[r * len + i] };
            let touch = if up { op.upper_touch(t.to_f64(), x, near) } else { op.lower_touch(t.to_f64(), x, near) };
            z[i] = F::from_f64(op.eval(touch) + t.to_f64() * (near - touch));
            let gradient = c[i] * F::from_f64(near - touch);
            (c[i], up_gradient[i]) = if up { (F::ZERO, gradient) } else { (gradient, F::ZERO) };
        }
        free.lower.step(r, c, step);
        upper.step(r, &up_gradient, step);
    }
}

fn adam_step<F: Working>(descent: Descent, step: usize) -> AdamStep<F> {
    let after = (step + 1) as i32;
    let rate = descent.rate * descent.decay.powi(step as i32) / (1.0 - 0.9f64.powi(after));
    AdamStep { rate: F::from_f64(rate), unbias: F::from_f64(1.0 / (1.0 - 0.999f64.powi(after))) }
}
