//! The linear program of a node: inputs and open hinges as columns, their hulls, decided phases and goals as rows.
//!
//! Its solution only chooses multipliers, a point and gaps; [`Program::bound`] makes the proof.

use super::cut::NumberedCut;
use super::lagrangian::{Multipliers, default_slope};
use super::program::{Program, Rows};
use super::simplex::{End, Simplex};
use super::state::{Span, State};

/// Reusable memory, and what the last program gave.
#[derive(Clone, Debug, Default)]
pub struct Linear {
    simplex: Simplex,
    kinds: Vec<Kind>,
    needed: Vec<bool>,
    /// Per variable its column, or `NONE`.
    column: Vec<u32>,
    /// Variables of the columns; [`MARGIN`] for the margin.
    variables: Vec<u32>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Per hinge where its pre-activation's form starts, or `NONE`.
    form: Vec<u32>,
    forms: Vec<f64>,
    made: Vec<Made>,
    row: Vec<f64>,
    has_cut: Vec<bool>,
    y: Vec<f64>,
    x: Vec<f64>,
    /// Multipliers read from the dual solution, or from a proof that no point is left.
    pub multipliers: Multipliers,
    /// The inputs of the solution.
    pub point: Vec<f64>,
    /// The values of all variables in the solution.
    pub values: Vec<f64>,
    /// Open hinges, and by how much their value in the solution is above their function's.
    pub gaps: Vec<(u32, f64)>,
    /// Variables that were basic, as a start for similar programs.
    pub basis: Vec<u32>,
    /// Numbers changed by pivots, over all programs.
    pub work: u64,
}

const NONE: u32 = u32::MAX;
/// The margin `t` of the least goal, as a column.
const MARGIN: u32 = u32::MAX - 1;

/// How a hinge's value enters the program.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Zero.
    Zero,
    /// A multiple of its pre-activation.
    Straight(f64),
    /// Its chord, where goals alone read it and only gain by more of it.
    Chord,
    /// A column of its own, and whether goals or rows may gain from more of it, or from less.
    Column(bool, bool),
}

/// What a row of the program stands for.
#[derive(Clone, Copy, Debug)]
enum Made {
    /// A goal less the margin, or a cut.
    Goal(usize),
    /// The range of a pre-activation.
    Range(usize),
    /// `h - a`, `chord - h`, `h - s a`.
    Above(usize),
    Below(usize, f64),
    Leaky(usize),
    /// A cut's right side less `h`.
    Cut(u32),
}

/// Programs with more numbers than this are left alone.
const MOST_NUMBERS: usize = 6 << 20;
/// A hinge is as good as decided where less than this share of its range lies on one side.
const NEGLIGIBLE: f64 = 1e-4;

/// How a node's linear program ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Solution {
    /// Its optimum: the goals can at most reach this together in the relaxation, about.
    Value(f64),
    /// No point satisfies the decided phases and ranges.
    Empty,
    /// Too large or too hard.
    None,
}

impl Program {
    /// Solves for the goals of `disjunct` in `state`, with upper bounds `cuts` of hinges, starting from the columns `hint`.
    /// Once the bound is below `cutoff`, it stops.
    pub fn solve(&self, state: &State, disjunct: usize, cuts: &[NumberedCut], hint: &[u32], cutoff: f64, lp: &mut Linear) -> Solution {
        let before = lp.simplex.work;
        let solution = self.solve_inner(state, disjunct, cuts, hint, cutoff, lp);
        lp.work += lp.simplex.work - before + (lp.forms.len() + lp.row.len() * lp.made.len()) as u64;
        solution
    }

    fn solve_inner(&self, state: &State, disjunct: usize, cuts: &[NumberedCut], hint: &[u32], cutoff: f64, lp: &mut Linear) -> Solution {
        let goals = &self.disjuncts[disjunct];
        lp.point.clear();
        lp.gaps.clear();
        lp.multipliers = Multipliers::default();
        lp.has_cut.clear();
        lp.has_cut.resize(self.hinges.len(), false);
        cuts.iter().for_each(|(cut, _)| lp.has_cut[cut.hinge as usize] = true);
        self.classify(state, goals, lp);
        let rows = 2 * lp.variables.len() + self.hinges.len();
        if lp.variables.len().saturating_mul(rows) > MOST_NUMBERS {
            (lp.multipliers.slope, lp.multipliers.add) = (vec![f64::NAN; self.hinges.len()], vec![0.0; self.hinges.len()]);
            return Solution::None;
        }
        self.make_forms(state, lp);
        lp.made.clear();
        let margin = goals.len() > 1;
        let width = lp.variables.len() + 1;
        let ends: Vec<Span> = goals.iter().map(|&g| self.goal_row(state, g, lp)).collect();
        if margin {
            let top = ends.iter().fold(f64::INFINITY, |m, e| m.min(e.high));
            let bottom = ends.iter().fold(f64::INFINITY, |m, e| m.min(e.low)).min(top) - 1.0;
            (lp.low[width - 2], lp.high[width - 2]) = (bottom, top);
        }
        lp.simplex.start(&lp.low, &lp.high);
        self.hinge_rows(state, lp);
        self.cut_rows(state, cuts, lp);
        for &g in goals.iter().chain(&self.cuts) {
            let own = margin && goals.contains(&g);
            if !own && !self.cuts.contains(&g) {
                continue;
            }
            let end = self.goal_row(state, g, lp);
            if own {
                lp.row[width - 2] = -1.0;
            }
            lp.push_row(Made::Goal(g), 0.0, end.high - if own { lp.low[width - 2] } else { 0.0 });
        }
        if margin {
            lp.row.clear();
            lp.row.resize(width, 0.0);
            lp.row[width - 2] = 1.0;
        } else {
            self.goal_row(state, goals[0], lp);
        }
        lp.simplex.maximise(&lp.row);
        self.run(state, goals, hint, cutoff, lp)
    }

    fn run(&self, state: &State, goals: &[usize], hint: &[u32], cutoff: f64, lp: &mut Linear) -> Solution {
        let wanted: Vec<u32> = hint.iter().filter_map(|&v| lp.column_of(v)).collect();
        lp.simplex.install(&wanted);
        let most = 200 + 4 * (lp.variables.len() + lp.made.len()) as u64;
        let end = lp.simplex.run(most, cutoff);
        let mut y = std::mem::take(&mut lp.y);
        let empty = matches!(end, End::Infeasible { .. });
        match end {
            End::Infeasible { row, below } => lp.simplex.ray(row, below, &mut y),
            _ => lp.simplex.duals(&mut y),
        }
        self.read_multipliers(goals, &y, empty, lp);
        lp.y = y;
        let columns = lp.variables.len() as u32;
        let Linear { basis, simplex, variables, .. } = lp;
        basis.clear();
        basis.extend(simplex.basis().iter().filter(|&&b| b < columns).map(|&b| variables[b as usize]));
        lp.point.clear();
        lp.gaps.clear();
        if empty {
            return Solution::Empty;
        }
        self.read_point(state, lp);
        match end {
            End::Stalled => Solution::None,
            _ => Solution::Value(lp.simplex.objective()),
        }
    }

    /// Chooses each hinge's kind, marks what is needed, and numbers the columns.
    fn classify(&self, state: &State, goals: &[usize], lp: &mut Linear) {
        let count = self.hinges.len();
        lp.needed.clear();
        lp.needed.resize(self.variables(), false);
        lp.kinds.clear();
        lp.kinds.resize(count, Kind::Zero);
        lp.column.clear();
        lp.column.resize(self.variables(), NONE);
        lp.variables.clear();
        // What goals read with either sign, and what rows read.
        let (mut gains, mut loses) = (vec![false; self.variables()], vec![false; self.variables()]);
        for &g in goals.iter().chain(&self.cuts) {
            for &(v, w) in self.goals.terms(g) {
                lp.needed[v as usize] = true;
                (if w > 0.0 { &mut gains } else { &mut loses })[v as usize] = true;
            }
        }
        for j in (0..count).rev() {
            let i = self.inputs + j;
            let decided = !state.is_open(i) && (state.low[i] > self.root.low[i] || state.high[i] < self.root.high[i]);
            let read = gains[i] || loses[i];
            if !read && !decided {
                continue;
            }
            lp.kinds[j] = self.kind(state, j, gains[i], loses[i], lp.has_cut[j]);
            lp.needed[i] = true;
            if read && matches!(lp.kinds[j], Kind::Column(..)) {
                lp.column[i] = 0;
            }
            for &(v, _) in self.hinges.terms(j) {
                // A row reads it: both signs may matter.
                gains[v as usize] = true;
                loses[v as usize] = true;
                lp.needed[v as usize] = true;
            }
        }
        lp.low.clear();
        lp.high.clear();
        for v in 0..self.variables() {
            let span = self.value(state, v);
            let input = v < self.inputs && lp.needed[v] && span.low < span.high;
            if input || (v >= self.inputs && lp.column[v] == 0) {
                lp.column[v] = lp.variables.len() as u32;
                lp.variables.push(v as u32);
                lp.low.push(span.low);
                lp.high.push(span.high);
            }
        }
        if goals.len() > 1 {
            lp.variables.push(MARGIN);
            lp.low.push(0.0);
            lp.high.push(0.0);
        }
    }

    fn kind(&self, state: &State, j: usize, gains: bool, loses: bool, has_cut: bool) -> Kind {
        let (i, s) = (self.inputs + j, self.slope[j]);
        let (low, high) = (state.low[i], state.high[i]);
        if s == 1.0 || -low <= NEGLIGIBLE * high {
            Kind::Straight(1.0)
        } else if high <= -NEGLIGIBLE * low {
            if s == 0.0 { Kind::Zero } else { Kind::Straight(s) }
        } else if gains && !loses && !has_cut {
            Kind::Chord
        } else {
            Kind::Column(gains, loses)
        }
    }

    /// The pre-activations of needed hinges as forms of the columns.
    fn make_forms(&self, state: &State, lp: &mut Linear) {
        let width = lp.variables.len() + 1;
        lp.form.clear();
        lp.form.resize(self.hinges.len(), NONE);
        lp.forms.clear();
        for j in (0..self.hinges.len()).filter(|&j| lp.needed[self.inputs + j]).collect::<Vec<_>>() {
            let start = lp.forms.len();
            lp.forms.resize(start + width, 0.0);
            let mut row = std::mem::take(&mut lp.row);
            row.clear();
            row.resize(width, 0.0);
            self.add_row(state, &self.hinges, j, lp, &mut row);
            lp.forms[start..].copy_from_slice(&row);
            lp.row = row;
            lp.form[j] = start as u32;
        }
    }

    /// Adds a row's sum, as a form of the columns, to `target`.
    fn add_row(&self, state: &State, rows: &Rows, r: usize, lp: &Linear, target: &mut [f64]) {
        let width = target.len();
        target[width - 1] += rows.bias[r];
        self.add_terms(state, rows.terms(r), lp, target);
    }

    fn add_terms(&self, state: &State, terms: &[(u32, f64)], lp: &Linear, target: &mut [f64]) {
        let width = target.len();
        for &(v, w) in terms {
            let v = v as usize;
            if lp.column[v] != NONE {
                target[lp.column[v] as usize] += w;
                continue;
            }
            let Some(j) = v.checked_sub(self.inputs) else {
                target[width - 1] += w * state.low[v];
                continue;
            };
            let (low, high, s) = (state.low[v], state.high[v], self.slope[j]);
            let (slope, offset) = match lp.kinds[j] {
                Kind::Zero | Kind::Column(..) => continue,
                Kind::Straight(t) => (t, 0.0),
                Kind::Chord => {
                    let t = default_slope(1.0, low, high, s);
                    (t, s * low - t * low)
                }
            };
            let Some(form) = lp.forms.get(lp.form[j] as usize..).and_then(|f| f.get(..width)) else { continue };
            target.iter_mut().zip(form).for_each(|(t, f)| *t += w * slope * f);
            target[width - 1] += w * offset;
        }
    }

    /// A goal as a form in `lp.row`, and its range over the columns.
    fn goal_row(&self, state: &State, g: usize, lp: &mut Linear) -> Span {
        let width = lp.variables.len() + 1;
        let mut row = std::mem::take(&mut lp.row);
        row.clear();
        row.resize(width, 0.0);
        self.add_row(state, &self.goals, g, lp, &mut row);
        lp.row = row;
        span_of(&lp.row, &lp.low, &lp.high)
    }

    fn hinge_rows(&self, state: &State, lp: &mut Linear) {
        let width = lp.variables.len() + 1;
        for j in 0..self.hinges.len() {
            let (i, s) = (self.inputs + j, self.slope[j]);
            if lp.form[j] == NONE {
                continue;
            }
            let form = lp.form[j] as usize..lp.form[j] as usize + width;
            let (low, high) = (state.low[i], state.high[i]);
            let below = lp.column[i] == NONE || lp.kinds[j] == Kind::Column(true, false);
            if below {
                let range = span_of(&lp.forms[form.clone()], &lp.low, &lp.high);
                let slack = 1e-9 * (1.0 + low.abs().max(high.abs()));
                if range.low < low - slack || range.high > high + slack {
                    lp.load(form.clone(), 1.0);
                    lp.push_row(Made::Range(j), low, high);
                }
            }
            if lp.column[i] == NONE {
                continue;
            }
            let own = lp.column[i] as usize;
            let Kind::Column(gains, loses) = lp.kinds[j] else { continue };
            if loses {
                lp.load(form.clone(), -1.0);
                lp.row[own] += 1.0;
                lp.push_row(Made::Above(j), 0.0, (s - 1.0) * low);
            }
            if gains {
                let t = default_slope(1.0, low, high, s);
                lp.load(form.clone(), t);
                lp.row[own] -= 1.0;
                lp.row[width - 1] += s * low - t * low;
                lp.push_row(Made::Below(j, t), 0.0, s * low - t * low);
            }
            if s != 0.0 && loses {
                lp.load(form.clone(), -s);
                lp.row[own] += 1.0;
                lp.push_row(Made::Leaky(j), 0.0, (1.0 - s) * high);
            }
        }
    }

    fn cut_rows(&self, state: &State, cuts: &[NumberedCut], lp: &mut Linear) {
        let width = lp.variables.len() + 1;
        for (k, (cut, _)) in cuts.iter().enumerate() {
            let i = self.inputs + cut.hinge as usize;
            if lp.column[i] == NONE {
                continue;
            }
            let mut row = std::mem::take(&mut lp.row);
            row.clear();
            row.resize(width, 0.0);
            row[width - 1] = cut.bias;
            self.add_terms(state, &cut.terms, lp, &mut row);
            row[lp.column[i] as usize] -= 1.0;
            lp.row = row;
            let high = span_of(&lp.row, &lp.low, &lp.high).high;
            lp.push_row(Made::Cut(k as u32), 0.0, high);
        }
    }

    fn read_multipliers(&self, goals: &[usize], y: &[f64], empty: bool, lp: &mut Linear) {
        let Linear { multipliers, made, kinds, column, .. } = lp;
        let Multipliers { goals: weights, slope, add, cuts } = multipliers;
        cuts.clear();
        weights.clear();
        slope.clear();
        slope.resize(self.hinges.len(), f64::NAN);
        add.clear();
        add.resize(self.hinges.len(), 0.0);
        for j in (0..self.hinges.len()).filter(|&j| column[self.inputs + j] != NONE && matches!(kinds[j], Kind::Column(..))) {
            slope[j] = 0.0;
        }
        if goals.len() == 1 && !empty {
            weights.push((goals[0], 1.0));
        }
        for (&made, &y) in made.iter().zip(y).filter(|m| *m.1 != 0.0 && m.1.is_finite()) {
            match made {
                Made::Goal(g) if y > 0.0 => weights.push((g, y)),
                Made::Goal(_) => {}
                Made::Range(j) => add[j] += y,
                Made::Above(j) => add[j] -= y,
                Made::Below(j, t) => add[j] += t * y,
                Made::Leaky(j) => add[j] -= self.slope[j] * y,
                Made::Cut(k) if y > 0.0 => cuts.push((k, y)),
                Made::Cut(_) => {}
            }
        }
        let short = |x: &mut f64| *x = if (*x as f32).is_finite() { (*x as f32).into() } else { 0.0 };
        weights.iter_mut().map(|w| &mut w.1).chain(cuts.iter_mut().map(|w| &mut w.1)).chain(add).for_each(short);
    }

    fn read_point(&self, state: &State, lp: &mut Linear) {
        let mut x = std::mem::take(&mut lp.x);
        lp.simplex.point(&mut x);
        lp.point.clear();
        lp.point.extend((0..self.inputs).map(|d| match lp.column[d] {
            NONE => 0.5 * state.low[d] + 0.5 * state.high[d],
            c => x[c as usize],
        }));
        lp.gaps.clear();
        let mut values = std::mem::take(&mut lp.values);
        values.clear();
        values.extend_from_slice(&lp.point);
        let width = lp.variables.len() + 1;
        for j in 0..self.hinges.len() {
            let i = self.inputs + j;
            if lp.form[j] == NONE {
                values.push(0.0);
                continue;
            }
            let form = &lp.forms[lp.form[j] as usize..][..width];
            let a = form[width - 1] + form.iter().zip(&x).map(|(f, x)| f * x).sum::<f64>();
            let (low, s) = (state.low[i], self.slope[j]);
            let taken = match (lp.kinds[j], lp.column[i]) {
                (Kind::Column(..), NONE) | (Kind::Zero, _) => 0.0,
                (Kind::Column(..), c) => x[c as usize],
                (Kind::Chord, _) => s * low + default_slope(1.0, low, state.high[i], s) * (a - low),
                (Kind::Straight(t), _) => t * a,
            };
            values.push(taken);
            if state.is_open(i) && matches!(lp.kinds[j], Kind::Chord | Kind::Column(..)) {
                lp.gaps.push((j as u32, taken - if a < 0.0 { s * a } else { a }));
            }
        }
        lp.values = values;
        lp.x = x;
    }
}

impl Linear {
    /// Pivots so far.
    pub fn pivots(&self) -> u64 {
        self.simplex.pivots
    }

    fn column_of(&self, v: u32) -> Option<u32> {
        if v == MARGIN {
            return self.variables.last().filter(|&&l| l == MARGIN).map(|_| self.variables.len() as u32 - 1);
        }
        self.column.get(v as usize).copied().filter(|&c| c != NONE)
    }

    fn load(&mut self, form: std::ops::Range<usize>, factor: f64) {
        self.row.clear();
        self.row.extend(self.forms[form].iter().map(|f| factor * f));
    }

    fn push_row(&mut self, made: Made, low: f64, high: f64) {
        self.simplex.row(&self.row, low, high.max(low));
        self.made.push(made);
    }
}

/// The range of a form over the columns.
fn span_of(row: &[f64], low: &[f64], high: &[f64]) -> Span {
    let constant = row[row.len() - 1];
    let mut span = Span { low: constant, high: constant };
    for (c, (l, h)) in row.iter().zip(low.iter().zip(high)) {
        span.low += (c * l).min(c * h);
        span.high += (c * l).max(c * h);
    }
    span
}
