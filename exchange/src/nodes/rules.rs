//! The rules: what follows for a node from the claims about its operands (docs/exchange.md gives the reasons).

use engine::graph::{Graph, NodeId};
use engine::numerics::{Interval, rounding};
use engine::ops::{Affine, Operation, Ranges, Scalar};

use super::claims::{Claims, Side};
use super::combination::{Combination, Factor, Line};
use crate::json::Number;

/// Most weights of one node that are looked at one by one.
pub const MOST_WEIGHTS: usize = 32_000_000;

/// The weights of one output element.
#[derive(Clone, Debug, Default)]
struct Row {
    /// (operand, element, weight).
    weights: Vec<(usize, usize, f64)>,
    bias: f64,
    /// How far the stated constants may be from the real ones, in all.
    error: f64,
}

/// A node with what its rules need.
pub struct Rules<'c> {
    claims: &'c Claims,
    operands: &'c [NodeId],
    alpha: Option<&'c [Number]>,
    kind: Kind<'c>,
}

enum Kind<'c> {
    /// The input that functions are functions of.
    Context,
    /// Another input: what is claimed is an assumption.
    Assumed,
    Values(Vec<f64>),
    Rows(Vec<Row>),
    Relu,
    Scalar(&'c dyn Scalar),
    /// Enclosures of the values; none where an operand claims nothing.
    Enclosed(Option<Ranges>),
}

impl<'c> Rules<'c> {
    /// The rules of node `id`, or why the node is beyond this check.
    pub fn new(graph: &'c Graph, claims: &'c Claims, id: NodeId) -> Result<Rules<'c>, String> {
        let node = &graph.nodes[id];
        let kind = match &node.operation {
            Operation::Input if claims.input == Some(id) => Kind::Context,
            Operation::Input => Kind::Assumed,
            Operation::Constant(values) if values.all_finite() => Kind::Values(values.to_f64()),
            Operation::Constant(_) => return Err("a constant that is no finite number".into()),
            Operation::Affine(op) => Kind::Rows(rows(op.as_ref(), claims, &node.inputs, node.len())?),
            Operation::Scalar(op) if op.hinge() == Some(0.0) => Kind::Relu,
            Operation::Scalar(op) => Kind::Scalar(op.as_ref()),
            Operation::General(op) => {
                let operands: Option<Vec<Ranges>> = node.inputs.iter().map(|&p| Some(claims.nodes[p].ends.as_ref()?.ranges())).collect();
                Kind::Enclosed(operands.map(|all| op.interval(&all.iter().collect::<Vec<_>>())))
            }
        };
        Ok(Rules { claims, operands: &node.inputs, alpha: claims.nodes[id].alpha.as_deref(), kind })
    }

    /// True for inputs other than the context's: their intervals are assumptions.
    pub fn is_assumption(&self) -> bool {
        matches!(self.kind, Kind::Assumed | Kind::Context)
    }

    /// What follows for element `o` from the intervals of the operands.
    pub fn by_ends(&self, o: usize, side: Side) -> Option<Combination<'c>> {
        match &self.kind {
            Kind::Context | Kind::Assumed => None,
            Kind::Values(values) => Some(Combination::constant(values[o])),
            Kind::Rows(rows) => self.weighted(&rows[o], side, |p, i, side| self.end(p, i, side)),
            Kind::Relu => match self.end(0, o, side)? {
                Line::Constant(x) if x.exact.sign() > 0 => Some(Combination::one(Line::Constant(x))),
                _ => Some(Combination::sum(Vec::new())),
            },
            Kind::Scalar(op) => finite_end(op.interval(self.range(o)?), side),
            Kind::Enclosed(ranges) => finite_end(ranges.as_ref()?.at(o), side),
        }
    }

    /// What follows for element `o` from the functions of the operands; several ways, any of which will do.
    ///
    /// `claimed` are the coefficients that are claimed, if any: where every slope is sound, theirs is tried.
    pub fn by_forms(&self, o: usize, side: Side, claimed: &[Number]) -> Vec<Combination<'c>> {
        match &self.kind {
            Kind::Context => vec![Combination::one(Line::Unit(o))],
            Kind::Assumed | Kind::Enclosed(_) => Vec::new(),
            Kind::Values(values) => vec![Combination::constant(values[o])],
            Kind::Rows(rows) => self.weighted(&rows[o], side, |p, i, side| self.line(p, i, side)).into_iter().collect(),
            Kind::Relu => self.relu(o, side).into_iter().collect(),
            Kind::Scalar(op) => self.scalar(*op, o, side, claimed),
        }
    }

    /// Element `i` of operand `p`: its claimed end.
    fn end(&self, p: usize, i: usize, side: Side) -> Option<Line<'c>> {
        Some(Line::Constant(self.claims.nodes[self.operands[p]].ends.as_ref()?.side(side).get(i)?))
    }

    /// Element `i` of operand `p`: its claimed function, or else its claimed end.
    fn line(&self, p: usize, i: usize, side: Side) -> Option<Line<'c>> {
        let width = self.claims.width();
        let Some(forms) = &self.claims.nodes[self.operands[p]].forms else { return self.end(p, i, side) };
        let lines = forms.side(side);
        Some(Line::Affine(lines.coefficients.get(i * width..(i + 1) * width)?, lines.constants.get(i)?))
    }

    fn range(&self, i: usize) -> Option<Interval> {
        Some(self.claims.nodes[*self.operands.first()?].ends.as_ref()?.at(i))
    }

    /// `sum w x + b`: positive weights take the operand's bound of the same side, negative ones the other.
    fn weighted(&self, row: &Row, side: Side, line: impl Fn(usize, usize, Side) -> Option<Line<'c>>) -> Option<Combination<'c>> {
        let term = |&(p, i, w): &(usize, usize, f64)| Some((Factor::Double(w), line(p, i, side.times(w < 0.0))?));
        let terms = row.weights.iter().filter(|(.., w)| *w != 0.0).map(term).collect::<Option<_>>()?;
        let error = if side == Side::Lower { -row.error } else { row.error };
        if !error.is_finite() {
            return None;
        }
        let constant = [row.bias, error].into_iter().filter(|&x| x != 0.0).map(|x| [Factor::Double(x), Factor::Double(1.0)]).collect();
        Some(Combination { scale: Factor::Double(1.0), terms, constant })
    }

    /// `max(z, 0)`, `l <= z <= u`: from below `alpha z`; from above the chord, `(u - l) y <= u (z - l)`.
    fn relu(&self, o: usize, side: Side) -> Option<Combination<'c>> {
        let (Line::Constant(l), Line::Constant(u)) = (self.end(0, o, Side::Lower)?, self.end(0, o, Side::Upper)?) else { return None };
        let line = self.line(0, o, side)?;
        match (l.exact.sign() >= 0, u.exact.sign() <= 0, side) {
            (true, ..) => Some(Combination::one(line)),
            (_, true, _) => Some(Combination::sum(Vec::new())),
            (.., Side::Upper) => Some(Combination {
                scale: Factor::Difference(u, l),
                terms: vec![(Factor::Claimed(u), line)],
                constant: vec![[Factor::Claimed(u), Factor::Minus(l)]],
            }),
            (.., Side::Lower) => Some(Combination::sum(vec![(self.slope(o, l, u), line)])),
        }
    }

    /// The stated slope from below, or else 1 if and only if `u > -l`.
    fn slope(&self, o: usize, l: &Number, u: &Number) -> Factor<'c> {
        match self.alpha.and_then(|a| a.get(o)) {
            Some(alpha) => Factor::Claimed(alpha),
            None => Factor::Double(if u.exact > -&l.exact { 1.0 } else { 0.0 }),
        }
    }

    /// Any slope t: `f(z) <= t z + sup (f - t z)`, and the operator gives the supremum over the interval.
    fn scalar(&self, op: &dyn Scalar, o: usize, side: Side, claimed: &[Number]) -> Vec<Combination<'c>> {
        let Some(x) = self.range(o) else { return Vec::new() };
        let usual = if side == Side::Upper { op.upper_slope(x) } else { op.lower_slope(x) };
        let mut slopes = vec![usual];
        slopes.extend(self.slope_of(o, claimed, side));
        let combination = |&t: &f64| {
            let offset = match side {
                Side::Upper => op.upper_offset(t, x),
                Side::Lower => -op.lower_offset(t, x),
            };
            let line = self.line(0, o, side.times(t < 0.0))?;
            let constant = vec![[Factor::Double(offset), Factor::Double(1.0)]];
            offset.is_finite().then(|| Combination { scale: Factor::Double(1.0), terms: vec![(Factor::Double(t), line)], constant })
        };
        slopes.iter().filter(|t| t.is_finite()).filter_map(combination).collect()
    }

    /// By what the operand's function was multiplied to give the claimed one, as far as one can tell.
    fn slope_of(&self, o: usize, claimed: &[Number], side: Side) -> Option<f64> {
        let Line::Affine(own, _) = self.line(0, o, side)? else { return None };
        let (k, largest) = own.iter().enumerate().max_by(|a, b| a.1.near.low.abs().total_cmp(&b.1.near.low.abs()))?;
        let slope = claimed.get(k)?.near.middle() / largest.near.middle();
        slope.is_finite().then_some(slope)
    }
}

fn finite_end<'c>(range: Interval, side: Side) -> Option<Combination<'c>> {
    let end = if side == Side::Lower { range.low } else { range.high };
    end.is_finite().then(|| Combination::constant(end))
}

/// All rows of an affine operator, with the effect of constants that only stand for real ones.
fn rows(op: &dyn Affine, claims: &Claims, operands: &[NodeId], len: usize) -> Result<Vec<Row>, String> {
    let mut rows = vec![Row::default(); len];
    let mut count = 0usize;
    for p in 0..operands.len() {
        op.for_each_weight(p, &mut |o, i, w| {
            count += 1;
            if count <= MOST_WEIGHTS {
                rows[o].weights.push((p, i, w));
            }
        });
    }
    if count > MOST_WEIGHTS {
        return Err(format!("{count} weights; at most {MOST_WEIGHTS} are checked one by one"));
    }
    let (relative, absolute) = (op.weight_error(), op.bias_error());
    for (o, row) in rows.iter_mut().enumerate() {
        row.bias = op.bias().map_or(0.0, |b| b.at(o));
        if !(row.bias.is_finite() && row.weights.iter().all(|(.., w)| w.is_finite())) {
            return Err("a weight that is no finite number".into());
        }
        if relative != 0.0 {
            let size = |&(p, i, w): &(usize, usize, f64)| {
                let range = claims.nodes[operands[p]].ends.as_ref().map_or(Interval::WHOLE, |e| e.at(i));
                (w.abs() * range.magnitude()).next_up()
            };
            let sum = row.weights.iter().map(size).fold(row.bias.abs(), |sum, s| (sum + s).next_up());
            row.error = (relative * sum * (1.0 + rounding::gamma::<f64>(4))).next_up();
        }
        row.error = match &absolute {
            Some(errors) => (row.error + errors[o]).next_up(),
            None => row.error,
        };
    }
    Ok(rows)
}
