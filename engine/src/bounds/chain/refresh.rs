//! Fresh lines by backward sweeps: CROWN for unstable neurons, layer by layer, and for the objectives.

use super::bounder::{Bounder, Part, Verdict};
use super::layer::Reduced;
use super::workspace::Workspace;
use crate::bounds::game::combine;
use crate::kernels::{Kernel, View, banded, padded, rows};
use crate::proof::Fact;

/// Share of rounding in sums of errors themselves, computed in `F` from positive terms.
const ERROR_SLACK: f64 = 1.0 + 1.0 / 512.0;

impl<F: Kernel> Bounder<F> {
    /// Layer by layer from the bottom: live neurons, fresh lines where the sign is open, lines for the layers above.
    /// False if an interval turns out empty.
    pub(super) fn refresh(&self, ws: &mut Workspace<F>) -> bool {
        ws.unstable = 0;
        for k in 0..self.chain.hidden().len() {
            if self.gather(k, ws) {
                ws.layers[k + 1].stale = true;
            }
            // Old facts stay valid; `bound` looks at the clock again before it says anything.
            if k > 0 && !ws.late() {
                self.refresh_layer(k, ws);
            }
            let facts = &ws.facts;
            let span = self.span(k);
            if self.is_empty(&facts.low[span.clone()], &facts.high[span.clone()]) {
                return false;
            }
            let layer = &self.chain.layers[k];
            let below = if k == 0 { ws.input_value.iter().map(|x| x.to_f64()).sum() } else { ws.layers[k - 1].total_value() };
            let depth = self.chain.layers.len();
            ws.layers[k].relax(layer, &facts.low[span.clone()], &facts.high[span.clone()], below, self.deployed, depth);
            ws.unstable += ws.layers[k]
                .live
                .iter()
                .map(|&j| span.start + j as usize)
                .filter(|&j| facts.low[j] < F::ZERO && facts.high[j] > F::ZERO && layer.slope[j - span.start] != F::ONE)
                .count();
        }
        true
    }

    fn gather(&self, k: usize, ws: &mut Workspace<F>) -> bool {
        let span = self.span(k);
        let facts = &ws.facts;
        let (lower, upper) = ws.layers.split_at_mut(k);
        let (high, fixed) = (&facts.high[span.clone()], &ws.fixed[span]);
        match lower.last() {
            Some(below) => upper[0].gather(&self.chain.layers[k], high, fixed, &below.live, below.width, &below.value),
            None => {
                let width = padded(self.chain.inputs);
                upper[0].gather(&self.chain.layers[k], high, fixed, &ws.input_live, width, &ws.input_value)
            }
        }
    }

    /// Upper and lower lines of the unstable neurons of hidden layer `k >= 1`.
    fn refresh_layer(&self, k: usize, ws: &mut Workspace<F>) {
        let (span, layer) = (self.span(k), &self.chain.layers[k]);
        let facts = &ws.facts;
        let fixed = |j: usize| ws.fixed[span.start + j];
        let wanted = |j: usize| {
            let (l, h) = (facts.low[span.start + j], facts.high[span.start + j]);
            (l < F::ZERO && h > F::ZERO && layer.slope[j] != F::ONE) || fixed(j) || (layer.slope[j] == F::ONE && !l.is_finite())
        };
        let mut picked = std::mem::take(&mut ws.picked);
        picked.clear();
        picked.extend((0..ws.layers[k].live.len()).filter(|&r| wanted(ws.layers[k].live[r] as usize)));
        if !picked.is_empty() {
            self.refresh_rows(k, &picked, ws);
        }
        ws.picked = picked;
    }

    /// Upper and lower lines of the live neurons `picked` of hidden layer `k`.
    fn refresh_rows(&self, k: usize, picked: &[usize], ws: &mut Workspace<F>) {
        let (span, layer) = (self.span(k), &self.chain.layers[k]);
        let count = 2 * picked.len();
        let width = ws.layers[k - 1].width;
        ws.rows.grow(count * width);
        reset(&mut ws.constants, count);
        reset(&mut ws.errors, count);
        for (at, &r) in picked.iter().enumerate() {
            let j = ws.layers[k].live[r] as usize;
            let source = &ws.layers[k].weights[r * width..(r + 1) * width];
            ws.rows[2 * at * width..(2 * at + 1) * width].copy_from_slice(source);
            ws.rows[(2 * at + 1) * width..(2 * at + 2) * width].iter_mut().zip(source).for_each(|(t, &w)| *t = -w);
            let error = layer.bias_error[j] + self.deployed.error(layer.terms, ws.layers[k].magnitude[r].to_f64());
            ws.constants[2 * at] = layer.bias[j];
            ws.constants[2 * at + 1] = -layer.bias[j];
            ws.errors[2 * at] = error;
            ws.errors[2 * at + 1] = error;
        }
        self.descend(k, count, ws, false);
        let stride = padded(self.chain.inputs);
        for (at, &r) in picked.iter().enumerate() {
            let j = ws.layers[k].live[r] as usize;
            for (side, row) in [2 * at, 2 * at + 1].into_iter().enumerate() {
                let always = ws.fixed[span.start + j];
                self.adopt(span.start + j, side == 1, always, row, stride, ws);
            }
        }
    }

    /// Takes rows of coefficients on the values of layer `k - 1` down to the inputs: afterwards `ws.rows` holds the
    /// coefficients of the inputs, `ws.constants` the constants and `ws.errors` what to allow for rounding.
    pub(super) fn descend(&self, k: usize, count: usize, ws: &mut Workspace<F>, trace: bool) {
        for m in (0..k).rev() {
            let Workspace { layers, rows: now, next, constants, errors, traces, .. } = ws;
            let layer: &Reduced<F> = &layers[m];
            if trace {
                traces[m].clear();
                traces[m].extend_from_slice(&now[..count * layer.width]);
            }
            rows::relax_rows(now, layer.width, count, layer.lines(), constants, errors);
            errors[..count].iter_mut().for_each(|e| *e += layer.underflow);
            let columns = if m == 0 { padded(self.chain.inputs) } else { layers[m - 1].width };
            next.grow(count * columns);
            let a = View { data: now, stride: layer.width };
            let b = View { data: &layer.weights, stride: columns };
            match layer.bands.is_empty() {
                true => F::product(count, layer.live.len(), columns, a, b, next, columns, false, false),
                false => banded::product(count, layer.live.len(), columns, a, b, &layer.bands, next, columns),
            }
            std::mem::swap(now, next);
        }
    }

    /// The bound of a finished row over the box, and its constant with all errors, both rounded up.
    fn finish(&self, row: usize, stride: usize, ws: &Workspace<F>) -> (f64, f64) {
        let constant = (ws.constants[row] + ws.errors[row] * ERROR_SLACK).next_up();
        let coefficients = &ws.rows[row * stride..row * stride + self.chain.inputs];
        (form_bound(coefficients.iter().map(|v| v.to_f64()), constant, &ws.low, &ws.high), constant)
    }

    /// Uses a finished row of neuron `j` where it beats what is known.
    #[allow(clippy::too_many_arguments)]
    fn adopt(&self, j: usize, lower: bool, always: bool, row: usize, stride: usize, ws: &mut Workspace<F>) {
        let (bound, constant) = self.finish(row, stride, ws);
        let facts = &mut ws.facts;
        let first = facts.low.len() - self.lined();
        let (n, i) = (self.lined(), j - first);
        let better = if lower { -bound > facts.low[j].to_f64() } else { bound < facts.high[j].to_f64() };
        // An inherited line whose interval is as good is kept; the line of a fixed hinge is a fact of its own.
        if !(better || always) || !constant.is_finite() {
            return;
        }
        let dims = self.chain.inputs;
        let coefficients = &ws.rows[row * stride..row * stride + dims];
        if lower {
            facts.low[j] = facts.low[j].max(F::from_f64_down(-bound));
            (0..dims).for_each(|d| facts.lower[d * n + i] = -coefficients[d]);
            facts.lower[dims * n + i] = F::from_f64_down(-constant);
        } else {
            facts.high[j] = facts.high[j].min(F::from_f64_up(bound));
            (0..dims).for_each(|d| facts.upper[d * n + i] = coefficients[d]);
            facts.upper[dims * n + i] = F::from_f64_up(constant);
        }
    }

    /// Linear upper bounds of all objectives of open disjuncts, in `ws.forms`.
    pub(super) fn bound_objectives(&self, part: &Part<F>, ws: &mut Workspace<F>) {
        let output = self.chain.output();
        let hidden = self.chain.hidden().len();
        let rows = &self.objectives.rows;
        let count = rows.len();
        // The outputs as a reduced layer: all live, identity lines.
        let above = vec![F::from_f64(f64::INFINITY); output.neurons];
        let none = vec![false; output.neurons];
        let (lower, upper) = ws.layers.split_at_mut(hidden);
        let width = padded(self.chain.inputs);
        match lower.last() {
            Some(below) => upper[0].gather(output, &above, &none, &below.live, below.width, &below.value),
            None => upper[0].gather(output, &above, &none, &ws.input_live, width, &ws.input_value),
        };
        let reduced = &mut upper[0];
        let values: Vec<F> = reduced.magnitude[..output.neurons].iter().map(|m| m.next_up()).collect();
        let lows: Vec<F> = values.iter().map(|&m| -m).collect();
        let below = lower.last().map_or_else(|| ws.input_value.iter().map(|x| x.to_f64()).sum(), |l| l.total_value());
        reduced.relax(output, &lows, &values, below, self.deployed, self.chain.layers.len());
        let total: f64 = values.iter().map(|v| v.to_f64()).sum::<f64>() * ERROR_SLACK;
        ws.rows.reset(count * reduced.width);
        reset(&mut ws.constants, count);
        reset(&mut ws.errors, count);
        for (r, row) in rows.iter().enumerate() {
            if !row.outputs.is_empty() {
                ws.rows[r * reduced.width..][..output.neurons].copy_from_slice(&row.outputs);
            }
            ws.constants[r] = row.constant;
            ws.errors[r] = row.output_error * total;
        }
        ws.traces.resize_with(hidden + 1, Vec::new);
        self.descend(hidden + 1, count, ws, true);
        self.read_forms(part, ws);
    }

    fn read_forms(&self, part: &Part<F>, ws: &mut Workspace<F>) {
        let (dims, stride) = (self.chain.inputs, padded(self.chain.inputs));
        ws.forms.clear();
        ws.form_constants.clear();
        ws.form_bounds.clear();
        ws.form_errors.clear();
        for (r, row) in self.objectives.rows.iter().enumerate() {
            let coefficients = &ws.rows[r * stride..r * stride + dims];
            let mut error = ws.errors[r] * ERROR_SLACK;
            for d in 0..dims {
                let mut v = coefficients[d].to_f64();
                if let Some(own) = row.inputs.get(d) {
                    let size = part.low[d].abs().max(part.high[d].abs()).to_f64();
                    v += own.to_f64();
                    error += size * (row.input_error + f64::EPSILON * v.abs()) * ERROR_SLACK;
                }
                ws.forms.push(v);
            }
            let constant = (ws.constants[r] + error.next_up()).next_up();
            ws.form_bounds.push(form_bound(ws.forms[r * dims..].iter().copied(), constant, &ws.low, &ws.high));
            ws.form_constants.push(constant);
            ws.form_errors.push(error);
        }
    }

    /// Excludes disjuncts, one fact at a time and then jointly.
    pub(super) fn decide(&self, part: &Part<F>, ws: &mut Workspace<F>) -> Verdict {
        ws.open.clear();
        let (mut worst, mut margin) = (f64::NEG_INFINITY, part.margin);
        ws.candidates.clear();
        self.phase_facts(part, ws);
        let dims = self.chain.inputs;
        ws.hull = None;
        ws.promise = f64::NEG_INFINITY;
        ws.clips.clear();
        for &d in &part.open {
            let rows = &self.objectives.disjuncts[d as usize];
            let best = (0..rows.len()).min_by(|&i, &j| ws.form_bounds[rows[i]].total_cmp(&ws.form_bounds[rows[j]]));
            let excluded = |i: usize| excludes(ws.form_bounds[rows[i]], self.objectives.rows[rows[i]].strict);
            if let Some(row) = best.filter(|&i| excluded(i)).or_else(|| (0..rows.len()).find(|&i| excluded(i))) {
                margin = margin.min(-ws.form_bounds[rows[row]]);
                ws.steps.drop_row(d as usize, row);
                continue;
            }
            let bound = self.play(rows, ws);
            if bound < 0.0 {
                margin = margin.min(-bound);
                ws.steps.drop_combined(d as usize, self.weights(rows.len(), &ws.game.theta, &ws.phase_numbers));
                continue;
            }
            if !ws.clip(dims) {
                margin = margin.min(0.0);
                ws.steps.drop_clipped(d as usize, self.weights(rows.len(), &ws.game.theta, &ws.phase_numbers));
                continue;
            }
            if ws.log.is_some() {
                ws.clips.weights(self.weights(rows.len(), &ws.game.theta, &ws.phase_numbers));
            }
            if bound > worst || ws.open.is_empty() {
                worst = bound;
                ws.worst_disjunct = d as usize;
                ws.worst_point.clear();
                ws.worst_point.extend_from_slice(&ws.game.point);
                self.mix(rows, ws);
            }
            self.probe_game(rows, ws);
            ws.open.push(d);
        }
        ws.margin = margin;
        if ws.open.is_empty() { Verdict::Closed(margin) } else { Verdict::Open(worst) }
    }

    /// The weights of a disjunct's facts, named as in certificates.
    fn weights<'a>(&'a self, rows: usize, theta: &'a [f64], phases: &'a [usize]) -> impl Iterator<Item = (Fact, f32)> + 'a {
        let cuts = self.objectives.cuts.len();
        let name = move |i: usize| match (i.checked_sub(rows), i.checked_sub(rows + cuts)) {
            (None, _) => Fact::Row(i),
            (Some(cut), None) => Fact::Cut(cut),
            (_, Some(phase)) => Fact::Phase(phases[phase]),
        };
        theta.iter().enumerate().map(move |(i, &t)| (name(i), t as f32))
    }

    /// Facts that hold for every counterexample in the part, phases as linear functions of the inputs: appended to
    /// `ws.phase_rows` and `ws.phase_constants`.
    fn phase_facts(&self, part: &Part<F>, ws: &mut Workspace<F>) {
        let facts = &ws.facts;
        let (n, dims) = (self.lined(), self.chain.inputs);
        let first = facts.low.len() - n;
        ws.phase_rows.clear();
        ws.phase_constants.clear();
        ws.phase_numbers.clear();
        for (number, phase) in part.phases.iter().enumerate() {
            let j = self.span(phase.layer as usize).start + phase.neuron as usize;
            let sign = if phase.active { 1.0 } else { -1.0 };
            let start = ws.phase_rows.len();
            let constant = if phase.layer == 0 {
                let layer = &self.chain.layers[0];
                let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
                let size: f64 = row.iter().zip(&*ws.input_value).map(|(w, m)| w.to_f64().abs() * m.to_f64()).sum();
                let error = (self.deployed.error(layer.terms, size + layer.bias_magnitude[j]) + layer.bias_error[j]) * ERROR_SLACK;
                ws.phase_rows.extend(row.iter().map(|w| sign * w.to_f64()));
                (sign * layer.bias[j] + error).next_up()
            } else {
                // Active: 0 <= a <= upper line; inactive: 0 <= -a <= -(lower line).
                let lines = if phase.active { &facts.upper } else { &facts.lower };
                let at = |d: usize| sign * lines[d * n + j - first].to_f64();
                ws.phase_rows.extend((0..dims).map(at));
                at(dims)
            };
            if constant.is_finite() && ws.phase_rows[start..].iter().all(|x| x.is_finite()) {
                ws.phase_constants.push(constant);
                ws.phase_numbers.push(number);
            } else {
                ws.phase_rows.truncate(start);
            }
        }
    }

    /// Makes the relaxation's worst point a candidate where the network itself comes within rounding of the disjunct.
    fn probe_game(&self, rows: &[usize], ws: &mut Workspace<F>) {
        let point = std::mem::take(&mut ws.game.point);
        self.probe(&point, ws);
        let (value, slack) = self.violation(rows, &point, ws);
        ws.promise = ws.promise.max(value);
        if value >= -slack {
            ws.candidates.push(point.clone());
        }
        ws.game.point = point;
    }

    /// The rigorous bound of the best combination of a disjunct's objectives with cuts and phases.
    fn play(&self, rows: &[usize], ws: &mut Workspace<F>) -> f64 {
        let dims = self.chain.inputs;
        let Workspace {
            fact_rows: a,
            fact_constants: k,
            phase_rows,
            phase_constants,
            forms,
            form_constants,
            game,
            low,
            high,
            combined,
            ..
        } = ws;
        a.clear();
        k.clear();
        for &r in rows.iter().chain(&self.objectives.cuts) {
            a.extend_from_slice(&forms[r * dims..(r + 1) * dims]);
            k.push(form_constants[r]);
        }
        a.extend_from_slice(phase_rows);
        k.extend_from_slice(phase_constants);
        if !a.iter().chain(k.iter()).all(|x| x.is_finite()) {
            a.clear();
            k.clear();
            game.forfeit(low, high);
            return f64::INFINITY;
        }
        game.solve(a, k, low, high);
        // Any weights are sound; these ones fit into a certificate.
        game.theta.iter_mut().for_each(|t| *t = *t as f32 as f64);
        game.bound = combine(a, k, &game.theta, low, high, combined);
        game.bound
    }

    /// Appends to every trace the weighted coefficients of the disjunct that was played last.
    fn mix(&self, rows: &[usize], ws: &mut Workspace<F>) {
        let count = self.objectives.rows.len();
        for (trace, layer) in ws.traces.iter_mut().zip(&ws.layers) {
            let width = layer.width;
            trace.truncate(count * width);
            trace.resize((count + 1) * width, F::ZERO);
            let (own, mixed) = trace.split_at_mut(count * width);
            for (&r, &theta) in rows.iter().zip(&ws.game.theta).filter(|(_, t)| **t != 0.0) {
                for (m, &c) in mixed.iter_mut().zip(&own[r * width..(r + 1) * width]) {
                    *m += F::from_f64(theta) * c;
                }
            }
        }
    }
}

fn reset(values: &mut Vec<f64>, len: usize) {
    values.clear();
    values.resize(len, 0.0);
}

/// True if a bound excludes a counterexample that needs the function to be nonnegative (positive if `strict`).
fn excludes(bound: f64, strict: bool) -> bool {
    bound < 0.0 || (strict && bound <= 0.0)
}

/// At least `constant + max v . x` over the box, all roundings included.
fn form_bound(v: impl Iterator<Item = f64>, constant: f64, low: &[f64], high: &[f64]) -> f64 {
    let (mut sum, mut magnitude) = (constant, constant.abs());
    for (v, (l, h)) in v.zip(low.iter().zip(high)) {
        let term = (v * l).max(v * h);
        // `max` drops NaN: infinite coefficients must not become a finite bound.
        sum += if v.is_finite() { term } else { f64::INFINITY };
        magnitude += v.abs() * l.abs().max(h.abs());
    }
    let error = f64::EPSILON * (low.len() + 4) as f64 * magnitude + f64::MIN_POSITIVE * (low.len() + 1) as f64;
    (sum + error).next_up()
}

impl<F: Kernel> Workspace<F> {
    /// Shrinks the box to what the facts of the disjunct played last leave of it (relaxed clipping: Zhang et al., NeurIPS
    /// 2025), and takes it into the hull over all open disjuncts: a fact about one disjunct binds only its
    /// counterexamples. False if nothing is left.
    ///
    /// From `v . x + k >= 0` and `total >= max v . x + k` over the box: `x_d >= high_d - total / v_d` for `v_d > 0`.
    fn clip(&mut self, dims: usize) -> bool {
        let (mut low, mut high) = (self.low.clone(), self.high.clone());
        let mut shrink = |v: &[f64], total: f64| {
            for d in 0..dims {
                let reach = (total.max(0.0) / v[d].abs()).next_up();
                if !(reach < high[d] - low[d]) {
                    continue;
                }
                // `total` was taken over the whole box, so its ends are the ones to measure from.
                if v[d] > 0.0 {
                    low[d] = low[d].max((self.high[d] - reach).next_down());
                } else {
                    high[d] = high[d].min((self.low[d] + reach).next_up());
                }
            }
        };
        for (i, &k) in self.fact_constants.iter().enumerate() {
            let v = &self.fact_rows[i * dims..(i + 1) * dims];
            shrink(v, form_bound(v.iter().copied(), k, &self.low, &self.high));
        }
        if !self.fact_constants.is_empty() {
            shrink(&self.combined, self.game.bound);
        }
        if low.iter().zip(&high).any(|(l, h)| l > h) {
            return false;
        }
        match &mut self.hull {
            None => self.hull = Some((low, high)),
            Some((hull_low, hull_high)) => {
                hull_low.iter_mut().zip(&low).for_each(|(h, &l)| *h = h.min(l));
                hull_high.iter_mut().zip(&high).for_each(|(h, &x)| *h = h.max(x));
            }
        }
        true
    }
}
