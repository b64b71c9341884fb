//! A case of the query in binary64: the root box, cuts, and rows of coefficients with what their rounding can cost.

use crate::Semantics;
use crate::exact::Rational;
use crate::plan::Plan;
use crate::query::{Case, Constraint};
use crate::relax::{Relaxed, constant_error};
use crate::rounding::{Deployed, SLACK, TINY, UNIT};
use crate::state::{State, upper_end};
use crate::sweep::Batch;

/// A prepared case.
#[derive(Debug)]
pub struct Prepared {
    /// Lower corner of the box.
    pub low: Vec<f64>,
    /// Upper corner.
    pub high: Vec<f64>,
    /// Facts of the inputs alone: `v . x + k >= 0`.
    pub cuts: Vec<(Vec<f64>, f64)>,
    /// The disjuncts' rows.
    pub disjuncts: Vec<Vec<Row>>,
}

/// `sum c y + sum a x + constant`, rounded.
#[derive(Debug)]
pub struct Row {
    /// Output element, coefficient, how far that may be from the true one.
    outputs: Vec<(usize, f64, f64)>,
    /// Input element, likewise.
    inputs: Vec<(usize, f64, f64)>,
    /// At least the constant.
    constant: f64,
    /// A counterexample needs `> 0`.
    pub strict: bool,
}

impl Prepared {
    /// Rounds a case; says what does not fit the network.
    pub fn new(case: &Case, plan: &Plan, semantics: Semantics, deployed: Deployed) -> Result<Prepared, String> {
        if case.low.len() != plan.inputs || case.high.len() != plan.inputs {
            return Err(format!("the query has {} inputs, the network {}", case.low.len(), plan.inputs));
        }
        let single = matches!(semantics, Semantics::Float32 | Semantics::Both) && !plan.double;
        let outer = |x: &Rational, up: bool| {
            let (own, beyond) = if up { (x.up(), f64::INFINITY) } else { (x.down(), f64::NEG_INFINITY) };
            let rounded = if single { x.nearest_f32().map_or(beyond, f64::from) } else { own };
            if up { own.max(rounded) } else { own.min(rounded) }
        };
        let low: Vec<f64> = case.low.iter().map(|x| outer(x, false)).collect();
        let high: Vec<f64> = case.high.iter().map(|x| outer(x, true)).collect();
        if !low.iter().chain(&high).all(|x| x.is_finite()) {
            return Err("an end of an input's range is not finite".into());
        }
        let row = |c: &Constraint| Row::new(c, plan);
        let disjuncts = case.disjuncts.iter().map(|d| d.iter().map(row).collect()).collect::<Result<_, String>>()?;
        let sizes: Vec<f64> = low.iter().zip(&high).map(|(l, h)| l.abs().max(h.abs())).collect();
        let cuts = case.cuts.iter().map(|c| Row::new(c, plan)?.cut(&sizes, deployed)).collect::<Result<_, String>>()?;
        Ok(Prepared { low, high, cuts, disjuncts })
    }

    /// The root of the case's tree: intervals of all activations' operands, lines of those directly above the inputs.
    pub fn root(&self, relaxed: &mut Relaxed, batch: &mut Batch) -> State {
        let plan = relaxed.plan;
        let mut state = State::root(plan, self.low.clone(), self.high.clone(), self.disjuncts.len());
        relaxed.forget_from(0);
        for (number, activation) in plan.activations.iter().enumerate() {
            relaxed.prepare(activation.node, &state);
            relaxed.prepare_operand(activation.node, &state);
            crate::intervals::bound_by_magnitude(relaxed, number, &mut state);
            if activation.shallow && plan.lined {
                let all: Vec<u32> = (0..activation.len as u32).collect();
                crate::steps::refresh(relaxed, number, &all, &mut state, batch);
            }
        }
        state.notice_empty();
        state
    }
}

/// The nearest binary64 below and the distance to the one above.
fn rounded(x: &Rational) -> Result<(f64, f64), String> {
    let (low, high) = (x.down(), x.up());
    if low.is_finite() && high.is_finite() {
        Ok((low, if high > low { (high - low).next_up() } else { 0.0 }))
    } else {
        Err("a number of the query is too large".into())
    }
}

impl Row {
    fn new(c: &Constraint, plan: &Plan) -> Result<Row, String> {
        let terms = |list: &[(usize, Rational)], count: usize, what: &str| {
            let term = |(i, x): &(usize, Rational)| match rounded(x) {
                Ok((c, e)) if *i < count => Ok((*i, c, e)),
                Ok(_) => Err(format!("the query names {what} {i} of {count}")),
                Err(reason) => Err(reason),
            };
            if !list.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(format!("a constraint's {what}s are not ascending"));
            }
            list.iter().map(term).collect::<Result<Vec<_>, String>>()
        };
        let constant = c.constant.up();
        if !constant.is_finite() {
            return Err("a constant of the query is too large".into());
        }
        Ok(Row {
            outputs: terms(&c.outputs, plan.outputs.len(), "output")?,
            inputs: terms(&c.inputs, plan.inputs, "input")?,
            constant,
            strict: c.strict,
        })
    }

    /// The row as a fact of the inputs. An input that has been rounded to the network's type need not satisfy it exactly.
    fn cut(&self, sizes: &[f64], deployed: Deployed) -> Result<(Vec<f64>, f64), String> {
        if !self.outputs.is_empty() {
            return Err("a cut names an output".into());
        }
        let mut v = vec![0.0; sizes.len()];
        let mut slack = 0.0;
        for &(i, c, wrong) in &self.inputs {
            slack += (wrong * sizes[i] + c.abs() * deployed.conversion(sizes[i]) + 4.0 * UNIT * c.abs() * sizes[i] + TINY) * SLACK;
            v[i] += c;
        }
        Ok((v, (self.constant + slack * SLACK).next_up()))
    }

    /// Starts the row in a batch. All nodes must be prepared.
    pub fn start(&self, relaxed: &Relaxed, batch: &mut Batch, row: usize, state: &State) {
        self.add(relaxed, batch, row, state, 1.0, 0);
    }

    /// Adds `weight` times this row to one of a batch, one of `adds` that are added. All nodes must be prepared.
    pub fn add(&self, relaxed: &Relaxed, batch: &mut Batch, row: usize, state: &State, weight: f64, adds: usize) {
        let plan = relaxed.plan;
        batch.constants[row][0] += weight * self.constant;
        batch.errors[row][0] += (constant_error(plan) + 4.0 * UNIT * adds as f64) * (weight * self.constant).abs() * SLACK + TINY;
        for &(o, c, wrong) in &self.outputs {
            let (id, element) = plan.outputs[o];
            // What several readers pass to the same node is added up: part of every reader's error, and of this one's.
            let own = wrong + 4.0 * UNIT * c.abs() * plan.nodes[id].terms.saturating_add(adds) as f64;
            let size = relaxed.nodes[id].value[element];
            batch.errors[row][0] += weight * (own * (size + relaxed.deployed_error(id, element))) * SLACK + TINY;
            batch.add_element(relaxed, id, element, weight * c, row);
        }
        for &(i, c, wrong) in &self.inputs {
            let Some((id, offset)) = plan.input_at(i) else { continue };
            let size = state.low[i].abs().max(state.high[i].abs());
            let own = wrong + 4.0 * UNIT * c.abs() * plan.nodes[id].terms.saturating_add(adds) as f64;
            batch.errors[row][0] += weight * own * size * SLACK + TINY;
            batch.add_element(relaxed, id, i - offset, weight * c, row);
        }
    }
}

/// True if an upper bound of a row excludes its counterexamples.
pub fn excludes(bound: f64, strict: bool) -> bool {
    bound < 0.0 || (strict && bound <= 0.0)
}

/// The upper end of a fact over a box.
pub fn end_of(fact: &(Vec<f64>, f64), low: &[f64], high: &[f64]) -> f64 {
    upper_end(&fact.0, fact.1, low, high)
}
