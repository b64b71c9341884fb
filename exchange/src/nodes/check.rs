//! The check of a per-node certificate: every claim follows from the claims about the node's operands.

use engine::graph::{Graph, NodeId};
use engine::numerics::{Decimal, Interval};
use engine::ops::Operation;
use engine::query::Query;

use super::claims::{Claims, Ends, NodeClaim, Side};
use super::combination::{Combination, Line};
use super::rules::Rules;
use crate::json::{Number, shown};

/// Most exact multiplications of a check: claims that outward-rounded doubles cannot decide are decided exactly.
const MOST_EXACT: usize = 100_000_000;

/// Are all claims implied? `Err` says which one is not, and by how much.
///
/// By induction over the nodes: for all inputs within the claimed intervals of the input nodes, every value lies within its claimed
/// interval and between its claimed functions.
pub fn check(graph: &Graph, claims: &Claims) -> Result<(), String> {
    claims.fit(graph)?;
    let mut checker = Checker { claims, exact: 0 };
    for id in (0..graph.nodes.len()).filter(|&id| claims.nodes[id] != NodeClaim::default()) {
        let name = |problem: String| format!("node {id} ({} `{}`): {problem}", graph.nodes[id].operation.name(), graph.nodes[id].name);
        let rules = Rules::new(graph, claims, id).map_err(name)?;
        checker.node(graph, id, &rules).map_err(name)?;
    }
    Ok(())
}

struct Checker<'c> {
    claims: &'c Claims,
    exact: usize,
}

const SIDES: [(Side, &str); 2] = [(Side::Lower, "lower"), (Side::Upper, "upper")];

impl Checker<'_> {
    fn node(&mut self, graph: &Graph, id: NodeId, rules: &Rules) -> Result<(), String> {
        let claim = &self.claims.nodes[id];
        self.slopes_and_phases(graph, id)?;
        if let Some(ends) = claim.ends.as_ref().filter(|_| !rules.is_assumption()) {
            for (o, (side, word)) in (0..ends.len()).flat_map(|o| SIDES.map(|s| (o, s))) {
                let end = &ends.side(side)[o];
                let ways = || rules.by_ends(o, side).into_iter().chain(rules.by_forms(o, side, &[]));
                self.implied(ways, side, &[], end)
                    .map_err(|e| format!("element {o}: the {word} end {} of `ibp` {e}", shown(&end.exact)))?;
            }
        }
        if let Some(forms) = &claim.forms {
            let width = self.claims.width();
            for (o, (side, word)) in (0..forms.low.constants.len()).flat_map(|o| SIDES.map(|s| (o, s))) {
                let lines = forms.side(side);
                let coefficients = &lines.coefficients[o * width..][..width];
                let own = claim.ends.as_ref().map(|ends| Combination::one(Line::Constant(&ends.side(side)[o])));
                let ways = || rules.by_forms(o, side, coefficients).into_iter().chain(own.clone());
                let problem = |e| format!("element {o}: the {word} function of `crown` {e}");
                self.implied(ways, side, coefficients, &lines.constants[o]).map_err(problem)?;
            }
        }
        Ok(())
    }

    /// Does one of the ways show the claim? First in doubles, then exactly.
    fn implied<'a, I: Iterator<Item = Combination<'a>>>(
        &mut self,
        ways: impl Fn() -> I,
        side: Side,
        coefficients: &[Number],
        constant: &Number,
    ) -> Result<(), String> {
        let input = self.claims.input_box();
        let mut best = f64::NEG_INFINITY;
        for way in ways() {
            let gap: Interval = way.gap(side, coefficients, constant, input);
            if gap.low >= 0.0 {
                return Ok(());
            }
            best = best.max(gap.high);
        }
        // Where even the upper ends are negative, exact arithmetic cannot help.
        if best < 0.0 {
            return Err(short_by(best));
        }
        for way in ways() {
            self.exact += way.work(input.map_or(0, Ends::len));
            if self.exact > MOST_EXACT {
                return Err("and many before it are too close to call in doubles, and too many to decide exactly".into());
            }
            let gap: Decimal = way.gap(side, coefficients, constant, input);
            if gap.sign() >= 0 {
                return Ok(());
            }
            best = best.min(gap.to_f64());
        }
        Err(short_by(best))
    }

    fn slopes_and_phases(&self, graph: &Graph, id: NodeId) -> Result<(), String> {
        let (claim, node) = (&self.claims.nodes[id], &graph.nodes[id]);
        let is_relu = matches!(&node.operation, Operation::Scalar(op) if op.hinge() == Some(0.0));
        if !is_relu && (claim.alpha.is_some() || claim.beta.is_some()) {
            return Err("`alpha` and `beta` belong to ReLU nodes".into());
        }
        for (i, alpha) in claim.alpha.iter().flatten().enumerate() {
            if alpha.exact.sign() < 0 || alpha.exact > Decimal::ONE {
                return Err(format!("element {i}: the slope {} of `alpha` is not in [0, 1]", shown(&alpha.exact)));
            }
        }
        for (i, &phase) in claim.beta.iter().flatten().enumerate().filter(|(_, phase)| **phase != 0) {
            let ends = node.inputs.first().and_then(|&p| self.claims.exact(p, i));
            let (low, high) = ends.ok_or_else(|| format!("element {i}: a phase in `beta`, but no interval of the operand is claimed"))?;
            let (word, follows) = if phase > 0 { ("active", low.sign() >= 0) } else { ("inactive", high.sign() <= 0) };
            if !follows {
                let range = format!("[{}, {}]", shown(low), shown(high));
                return Err(format!("element {i}: `beta` says {word}, but the operand's claimed interval is {range}"));
            }
        }
        Ok(())
    }
}

fn short_by(gap: f64) -> String {
    match gap == f64::NEG_INFINITY {
        true => "cannot be derived: an operand claims no interval, or none that is narrow enough for this operator".into(),
        false => format!("is not implied by the claims about the operands: it is tighter than what follows by about {:e}", -gap),
    }
}

/// Does every claimed interval of the inputs contain `domain`? Elements of all inputs in order.
pub fn covers(graph: &Graph, claims: &Claims, domain: &[(Decimal, Decimal)]) -> Result<(), String> {
    let elements = graph.inputs.iter().flat_map(|&id| (0..graph.nodes[id].len()).map(move |i| (id, i)));
    for (at, ((id, i), (low, high))) in elements.zip(domain).enumerate() {
        let Some((from, to)) = claims.exact(id, i) else { continue };
        if low < from || high > to {
            let ranges = format!("[{}, {}] of the input set is not within [{}, {}]", shown(low), shown(high), shown(from), shown(to));
            return Err(format!("input element {at}: {ranges}, which the certificate is about"));
        }
    }
    Ok(())
}

/// Do accepted claims show that no input of the query breaks its property, for the real network? `Err` names what stays open.
pub fn decides(graph: &Graph, claims: &Claims, query: &Query) -> Result<(), String> {
    for (c, case) in query.cases.iter().enumerate() {
        let domain: Vec<(Decimal, Decimal)> = case.region.ranges.iter().map(|r| (r.low.clone(), r.high.clone())).collect();
        covers(graph, claims, &domain)?;
        for (d, disjunct) in case.disjuncts.iter().enumerate() {
            let excluded = disjunct.iter().any(|constraint| {
                let bound = super::bound::greatest(graph, claims, constraint, &domain);
                bound.is_some_and(|b| b.sign() < 0 || constraint.strict && b.is_zero())
            });
            if !excluded {
                return Err(format!("the claims do not exclude disjunct {d} of case {c}"));
            }
        }
    }
    Ok(())
}
