//! Rows under way: backward sweeps that bound them, forward sweeps that improve their multipliers, many rows at a time.

use std::sync::Arc;

use super::compact::Room;
use super::forest::Score;
use super::program::{Hinge, Input, Node, Program, Start};
use super::record::{Multipliers, Neuron, free_neurons};
use crate::kernels::hinges::{Layer, SLOPE_STEP, climb, relax_free, weigh};
use crate::kernels::rows::{absolute_dot, weighted_sums};
use crate::kernels::vectors::AdamStep;
use crate::kernels::{Aligned, Kernel};

/// A neuron fixed to one side, and the multiplier of that fact (beta).
#[derive(Clone, Copy, Debug)]
pub struct Split<F> {
    /// The hinge node.
    pub node: u32,
    /// The neuron.
    pub neuron: u32,
    /// True for `a >= 0`, false for `a <= 0`.
    pub active: bool,
    /// Multiplier of the fact, at least 0.
    pub beta: F,
}

/// Sizes of the steps.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// First step of slopes.
    pub rate: f64,
    /// First step of betas, in units of the mean coefficient of their layer.
    pub beta_rate: f64,
    /// Factor from step to step.
    pub decay: f64,
}

/// A row's own state beside its slopes.
#[derive(Clone, Debug)]
pub struct Row<F> {
    /// Where it starts.
    pub start: Arc<Start<F>>,
    /// The region.
    pub splits: Vec<Split<F>>,
    /// Steps taken.
    pub steps: u32,
    /// The bound of the last sweep; infinite before.
    pub bound: f64,
    /// The bound of the sweep before that.
    pub previous: f64,
    /// How much of the bound is allowance for rounding.
    pub error: f64,
    /// A bound from a region that contains this one.
    pub inherited: f64,
    /// What the inherited bound rests on, where that is recorded.
    pub proof: Option<Arc<Multipliers>>,
    /// How many regions around this one, from the next one outwards, would be closed without allowances for rounding.
    pub blurred: u8,
    /// Anything that the caller wants to know again.
    pub tag: usize,
    /// Adam's memory of the betas, and the coefficient at each split.
    moments: Vec<[F; 3]>,
}

/// Buffers of one hinge: a slope per row and neuron, and what Adam remembers.
#[derive(Debug, Default)]
struct Slopes<F> {
    slope: Aligned<F>,
    mean: Aligned<F>,
    square: Aligned<F>,
}

/// A set of rows of one program that share their matrix products.
#[derive(Debug)]
pub struct Batch<'p, F> {
    program: &'p Program<'p, F>,
    last: usize,
    capacity: usize,
    /// Per node: coefficients on the way down, values on the way up.
    buffers: Vec<Aligned<F>>,
    reached: Vec<bool>,
    slopes: Vec<Slopes<F>>,
    free: Vec<Neuron>,
    constants: Vec<f64>,
    errors: Vec<f64>,
    room: Room<F>,
    /// The rows.
    pub rows: Vec<Row<F>>,
}

impl<'p, F: Kernel> Batch<'p, F> {
    /// Room for `capacity` rows that start at node `last`.
    pub fn new(program: &'p Program<'p, F>, last: usize, capacity: usize) -> Batch<'p, F> {
        let nodes = &program.nodes[..=last];
        let slopes = nodes.iter().map(|node| match node {
            Node::Hinge(hinge) => {
                let len = capacity * hinge.up.len();
                Slopes { slope: Aligned::zeros(len), mean: Aligned::zeros(len), square: Aligned::zeros(len) }
            }
            _ => Slopes::default(),
        });
        Batch {
            program,
            last,
            capacity,
            buffers: nodes.iter().map(|node| Aligned::zeros(capacity * node.width())).collect(),
            reached: vec![false; nodes.len()],
            slopes: slopes.collect(),
            free: free_neurons(program, last),
            constants: vec![0.0; capacity],
            errors: vec![0.0; capacity],
            room: Room::default(),
            rows: Vec::new(),
        }
    }

    /// True if no further row fits.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.capacity
    }

    /// Adds a row; `slopes` as [`Batch::save`] gave them, or none for CROWN's.
    pub fn add(&mut self, start: Arc<Start<F>>, splits: Vec<Split<F>>, slopes: Option<&[u8]>, tag: usize) {
        let r = self.rows.len();
        for (id, own) in self.slopes.iter_mut().enumerate() {
            let Node::Hinge(hinge) = &self.program.nodes[id] else { continue };
            let width = hinge.up.len();
            let part = r * width..(r + 1) * width;
            own.slope[part.clone()].copy_from_slice(&hinge.start);
            own.mean[part.clone()].fill(F::ZERO);
            own.square[part].fill(F::ZERO);
        }
        for (&(id, i), &slope) in self.free.iter().zip(slopes.into_iter().flatten()) {
            let (own, width) = (&mut self.slopes[id as usize].slope, self.program.nodes[id as usize].width());
            own[r * width + i as usize] = (F::from_f64(slope.into()) * F::from_f64(SLOPE_STEP)).min(F::ONE);
        }
        let moments = vec![[F::ZERO; 3]; splits.len()];
        let (bound, previous) = (f64::INFINITY, f64::INFINITY);
        self.rows.push(Row {
            start,
            splits,
            steps: 0,
            bound,
            previous,
            error: 0.0,
            inherited: f64::INFINITY,
            proof: None,
            blurred: 0,
            tag,
            moments,
        });
    }

    /// The free slopes of row `r`, in 255ths.
    pub fn save(&self, r: usize) -> Box<[u8]> {
        let slope = |&(id, i): &Neuron| self.slopes[id as usize].slope[r * self.program.nodes[id as usize].width() + i as usize];
        self.free.iter().map(|neuron| (slope(neuron).to_f64() / SLOPE_STEP).round() as u8).collect()
    }

    /// Removes row `r`; the last row takes its place.
    pub fn remove(&mut self, r: usize) -> Row<F> {
        let last = self.rows.len() - 1;
        if r != last {
            for (id, buffer) in self.buffers.iter_mut().enumerate() {
                let width = self.program.nodes[id].width();
                buffer.copy_within(last * width..(last + 1) * width, r * width);
            }
            for own in &mut self.slopes {
                let width = own.slope.len() / self.capacity.max(1);
                for array in [&mut own.slope, &mut own.mean, &mut own.square] {
                    array.copy_within(last * width..(last + 1) * width, r * width);
                }
            }
        }
        self.rows.swap_remove(r)
    }

    /// Takes all rows down to the inputs and sets their bounds.
    pub fn sweep(&mut self) {
        let count = self.rows.len();
        self.constants[..count].fill(0.0);
        self.errors[..count].fill(0.0);
        self.reached.fill(false);
        self.reached[self.last] = true;
        for (r, row) in self.rows.iter().enumerate() {
            let width = row.start.coefficients.len();
            self.buffers[self.last][r * width..(r + 1) * width].copy_from_slice(&row.start.coefficients);
        }
        for id in (0..=self.last).rev().filter(|&id| id > 0) {
            if !self.reached[id] {
                continue;
            }
            match &self.program.nodes[id] {
                Node::Input(_) => {}
                Node::Affine(affine) => {
                    let (below, above) = self.buffers.split_at_mut(id);
                    let c = &above[0];
                    let (constants, errors) = (&mut self.constants[..count], &mut self.errors[..count]);
                    weigh(c, &affine.bias, &affine.error, affine.bias.len(), count, constants, errors);
                    errors.iter_mut().for_each(|e| *e += affine.underflow);
                    for (k, &p) in affine.operands.iter().enumerate() {
                        let target = &mut below[p][..count * self.program.nodes[p].width()];
                        affine.map.back(k, &c[..count * affine.bias.len()], target, count, self.reached[p], &mut self.room);
                        self.reached[p] = true;
                    }
                }
                Node::Hinge(hinge) => self.through_hinge(id, hinge, count),
            }
        }
        for r in 0..count {
            let (bound, error) = self.finish(r);
            let row = &mut self.rows[r];
            row.previous = row.bound;
            (row.bound, row.error) = (bound, error);
            row.steps += 1;
        }
    }

    fn through_hinge(&mut self, id: usize, hinge: &Hinge<F>, count: usize) {
        let (width, p) = (hinge.up.len(), hinge.operand);
        let (below, above) = self.buffers.split_at_mut(id);
        let (lambda, c) = (&mut below[p], &mut above[0]);
        for (r, row) in self.rows.iter_mut().enumerate() {
            for (split, moments) in row.splits.iter().zip(&mut row.moments).filter(|s| s.0.node as usize == id) {
                moments[2] = std::mem::replace(&mut c[r * width + split.neuron as usize], F::ZERO);
            }
        }
        let add = self.reached[p];
        if !hinge.error.is_empty() {
            // Slopes lie in [0, 1], so the coefficients are at least as large as the multipliers.
            for (r, error) in self.errors[..count].iter_mut().enumerate() {
                *error += absolute_dot(&c[r * width..(r + 1) * width], &hinge.error);
            }
        }
        relax_free(c, lambda, &self.slopes[id].slope, &hinge.up, &hinge.offset, width, count, add, &mut self.constants[..count]);
        for (r, row) in self.rows.iter().enumerate() {
            for (split, moments) in row.splits.iter().zip(&row.moments).filter(|s| s.0.node as usize == id) {
                // On [0, u] the supremum of (c - lambda) a is 0 for lambda >= c; on [l, 0] that of -lambda a for lambda <= 0.
                let own = if split.active { moments[2] + split.beta } else { -split.beta };
                let target = &mut lambda[r * width + split.neuron as usize];
                *target = if add { *target + own } else { own };
                let paid = hinge.error.get(split.neuron as usize).map_or(0.0, |e| e.to_f64());
                self.errors[r] += own.abs().to_f64() * paid;
            }
        }
        self.reached[p] = true;
        self.errors[..count].iter_mut().for_each(|e| *e += hinge.underflow);
    }

    /// The bound of row `r` whose coefficients have reached the inputs, and the allowance in it.
    fn finish(&self, r: usize) -> (f64, f64) {
        let Node::Input(input) = &self.program.nodes[0] else { return (f64::INFINITY, f64::INFINITY) };
        let width = input.radius.len();
        let start = &self.rows[r].start;
        let mut value = self.constants[r] + start.constant;
        let mut error = (self.errors[r] + start.error) * (1.0 + 1.0 / 512.0);
        error += 4.0 * f64::EPSILON * (self.constants[r].abs() + start.constant.abs());
        if self.reached[0] {
            let v = &self.buffers[0][r * width..(r + 1) * width];
            value += absolute_dot(v, &input.radius) + F::TINY * width as f64;
            if !input.centred {
                let (sum, size) = weighted_sums(v, &input.middle);
                value += sum;
                error += f64::EPSILON * (width + 4) as f64 * size;
            }
        }
        // NaN and infinite coefficients end here: whatever they touched is not finite.
        let bound = (value + error + 4.0 * f64::EPSILON * (value.abs() + error)).next_up();
        if bound.is_nan() { (f64::INFINITY, f64::INFINITY) } else { (bound, error) }
    }

    /// The unstable, unsplit neuron whose split promises most for row `r` after [`Batch::sweep`]; where no neuron has a positive
    /// coefficient, the one with the largest coefficient times the gap.
    pub fn pick(&self, r: usize, score: Score) -> Option<(u32, u32)> {
        let mut best: [(F, Option<(u32, u32)>); 2] = [(F::ZERO, None); 2];
        for (id, node) in self.program.nodes[..=self.last].iter().enumerate() {
            let Node::Hinge(hinge) = node else { continue };
            if !self.reached[id] {
                continue;
            }
            let width = hinge.up.len();
            let c = &self.buffers[id][r * width..(r + 1) * width];
            for (i, (&c, &offset)) in c.iter().zip(&hinge.offset).enumerate() {
                let score = c * offset;
                if score > best[0].0 && hinge.unstable(i) {
                    best[0] = (score, Some((id as u32, i as u32)));
                } else if score < best[1].0 && hinge.unstable(i) {
                    best[1] = (score, Some((id as u32, i as u32)));
                }
            }
        }
        if score == Score::Gap && -best[1].0 > best[0].0 { best[1].1 } else { best[0].1.or(best[1].1) }
    }

    /// The point of the box at which the form of row `r` is greatest, after [`Batch::sweep`].
    pub fn point(&self, r: usize) -> Vec<F> {
        let Node::Input(input) = &self.program.nodes[0] else { return Vec::new() };
        let mut point = self.coefficients(r, 0).to_vec();
        point.resize(input.radius.len(), F::ZERO);
        to_worst_point(&mut point, input);
        point
    }

    /// The coefficients of row `r` on node `id` after [`Batch::sweep`].
    pub fn coefficients(&self, r: usize, id: usize) -> &[F] {
        let width = self.program.nodes[id].width();
        if self.reached[id] { &self.buffers[id][r * width..(r + 1) * width] } else { &[] }
    }

    /// From the points where the rows' forms are greatest upwards: every slope and beta takes a step.
    pub fn climb(&mut self, step: Step) {
        let count = self.rows.len();
        for id in 0..=self.last {
            if !self.reached[id] {
                continue;
            }
            match &self.program.nodes[id] {
                Node::Input(input) => {
                    let width = input.radius.len();
                    self.buffers[id][..count * width].chunks_exact_mut(width.max(1)).for_each(|row| to_worst_point(row, input));
                }
                Node::Affine(_) if id == self.last => {}
                Node::Affine(affine) => {
                    let (below, above) = self.buffers.split_at_mut(id);
                    let width = affine.bias.len();
                    for (k, &p) in affine.operands.iter().enumerate() {
                        let source = &below[p][..count * self.program.nodes[p].width()];
                        affine.map.forth(k, source, &mut above[0][..count * width], count, k > 0, &mut self.room);
                    }
                    for row in above[0][..count * width].chunks_exact_mut(width.max(1)) {
                        row.iter_mut().zip(&affine.bias).for_each(|(z, &b)| *z += b);
                    }
                }
                Node::Hinge(hinge) => self.climb_hinge(id, hinge, step),
            }
        }
    }

    fn climb_hinge(&mut self, id: usize, hinge: &Hinge<F>, step: Step) {
        let width = hinge.up.len();
        let (below, above) = self.buffers.split_at_mut(id);
        let (z, c) = (&below[hinge.operand], &mut above[0]);
        let layer = Layer { up: &hinge.up, offset: &hinge.offset, least: &hinge.least, most: &hinge.most };
        let own = &mut self.slopes[id];
        for (r, row) in self.rows.iter_mut().enumerate() {
            let part = r * width..(r + 1) * width;
            let (z, c) = (&z[part.clone()], &mut c[part.clone()]);
            let split_here = row.splits.iter().any(|s| s.node as usize == id);
            let mean = if split_here { c.iter().map(|x| x.abs().to_f64()).sum::<f64>() / width.max(1) as f64 } else { 0.0 };
            let slopes = step.adam(step.rate, row.steps);
            climb(z, c, &mut own.slope[part.clone()], &mut own.mean[part.clone()], &mut own.square[part], layer, slopes);
            let betas = step.adam(step.beta_rate * mean, row.steps);
            for (split, moments) in row.splits.iter_mut().zip(&mut row.moments).filter(|s| s.0.node as usize == id) {
                let z = z[split.neuron as usize];
                c[split.neuron as usize] = if split.active { z } else { F::ZERO };
                let slack = if split.active { z } else { -z };
                // At zero only a violated phase moves it.
                let gradient = if split.beta > F::ZERO { slack } else { slack.min(F::ZERO) };
                split.beta = move_beta(split.beta, gradient, moments, betas);
            }
        }
    }
}

/// Coefficients of inputs become the point of the box where they are worth most.
fn to_worst_point<F: Kernel>(row: &mut [F], input: &Input<F>) {
    for (v, (&m, &r)) in row.iter_mut().zip(input.middle.iter().zip(&input.radius)) {
        *v = match *v {
            x if x > F::ZERO => m + r,
            x if x < F::ZERO => m - r,
            _ => m,
        };
    }
}

fn move_beta<F: Kernel>(beta: F, gradient: F, moments: &mut [F; 3], step: AdamStep<F>) -> F {
    moments[0] = F::from_f64(0.9) * moments[0] + F::from_f64(0.1) * gradient;
    moments[1] = F::from_f64(0.999) * moments[1] + F::from_f64(0.001) * gradient * gradient;
    let moved = beta - step.rate * moments[0] / ((moments[1] * step.unbias).sqrt() + F::from_f64(1e-12));
    if moved > F::ZERO && moved.is_finite() { moved } else { F::ZERO }
}

impl Step {
    /// Adam's constants for the step after `steps` sweeps.
    fn adam<F: Kernel>(self, rate: f64, steps: u32) -> AdamStep<F> {
        let after = steps.max(1) as i32;
        let rate = rate * self.decay.powi(after - 1) / (1.0 - 0.9f64.powi(after));
        AdamStep { rate: F::from_f64(rate), unbias: F::from_f64(1.0 / (1.0 - 0.999f64.powi(after))) }
    }
}
