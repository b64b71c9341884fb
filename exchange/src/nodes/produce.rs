//! Making claims: what follows for each node, rounded outward to binary32 numbers that every reader sees alike.

use engine::graph::{Graph, NodeId};
use engine::numerics::{Decimal, Interval};
use engine::ops::Operation;

use super::claims::{Claims, Ends, Forms, Lines, NodeClaim, Side};
use super::combination::Combination;
use super::rules::Rules;
use crate::ExchangeError;
use crate::json::Number;

/// Claims about every node over a box of inputs (elements of all inputs in order). With `forms`, also affine functions of the first
/// input, slopes and phases. A node about which nothing finite follows claims nothing.
pub fn produce(graph: &Graph, domain: &[(Decimal, Decimal)], forms: bool) -> Result<Claims, ExchangeError> {
    let input = graph.inputs.first().copied().filter(|_| forms);
    let mut claims = Claims { input, nodes: vec![NodeClaim::default(); graph.nodes.len()] };
    let mut rest = domain;
    for id in 0..graph.nodes.len() {
        if let Operation::Input = graph.nodes[id].operation {
            let (own, others) = rest.split_at_checked(graph.nodes[id].len()).ok_or_else(|| mismatch(graph, domain))?;
            rest = others;
            claims.nodes[id].ends = Some(outward(own)?);
        }
        (claims.nodes[id].alpha, claims.nodes[id].beta) = slopes_and_phases(graph, &claims, id);
        let rules = Rules::new(graph, &claims, id).map_err(|e| ExchangeError::Inexpressible(format!("node {id}: {e}")))?;
        let ends = match rules.is_assumption() {
            true => claims.nodes[id].ends.clone(),
            false => ends(&rules, &claims, graph.nodes[id].len()),
        };
        let own = input.and_then(|_| self::forms(&rules, &claims, ends.as_ref()?));
        drop(rules);
        (claims.nodes[id].ends, claims.nodes[id].forms) = (ends, own);
    }
    Ok(claims)
}

/// The intervals that follow for every node over the box of the one input: exactly where rules are exact, else rounded outward.
pub fn exact_ends(graph: &Graph, input: &Ends) -> Result<Claims, ExchangeError> {
    let mut claims = Claims { input: None, nodes: vec![NodeClaim::default(); graph.nodes.len()] };
    for id in 0..graph.nodes.len() {
        let rules = Rules::new(graph, &claims, id).map_err(|e| ExchangeError::Inexpressible(format!("node {id}: {e}")))?;
        let follows = |o: usize, side: Side| {
            let gap: Decimal = rules.by_ends(o, side)?.gap(side, &[], &Number::ZERO, None);
            Some(Number::new(if side == Side::Upper { -gap } else { gap }))
        };
        let all = |side: Side| (0..graph.nodes[id].len()).map(|o| follows(o, side)).collect::<Option<Vec<_>>>();
        let ends = match rules.is_assumption() {
            true => Some(input.clone()),
            false => all(Side::Lower).zip(all(Side::Upper)).map(|(low, high)| Ends { low, high }),
        };
        drop(rules);
        claims.nodes[id].ends = ends;
    }
    Ok(claims)
}

fn mismatch(graph: &Graph, domain: &[(Decimal, Decimal)]) -> ExchangeError {
    ExchangeError::Mismatch(format!("the input set has {} elements, the network {}", domain.len(), graph.input_len()))
}

/// The doubles around a range.
fn outward(ranges: &[(Decimal, Decimal)]) -> Result<Ends, ExchangeError> {
    let end = |x: f64| Number::of_f64(x).ok_or_else(|| ExchangeError::Inexpressible("an input range beyond the doubles".into()));
    let low = ranges.iter().map(|r| end(r.0.to_f64_down())).collect::<Result<_, _>>()?;
    let high = ranges.iter().map(|r| end(r.1.to_f64_up())).collect::<Result<_, _>>()?;
    Ok(Ends { low, high })
}

fn slopes_and_phases(graph: &Graph, claims: &Claims, id: NodeId) -> (Option<Vec<Number>>, Option<Vec<i8>>) {
    let node = &graph.nodes[id];
    let is_relu = matches!(&node.operation, Operation::Scalar(op) if op.hinge() == Some(0.0));
    let Some(ends) = node.inputs.first().and_then(|&p| claims.nodes[p].ends.as_ref()).filter(|_| is_relu && claims.input.is_some()) else {
        return (None, None);
    };
    let each = |i: usize| (&ends.low[i].exact, &ends.high[i].exact);
    let slope = |(l, u): (&Decimal, &Decimal)| if *u > -l { Number::ONE } else { Number::ZERO };
    let phase = |(l, u): (&Decimal, &Decimal)| if l.sign() >= 0 { 1 } else { -i8::from(u.sign() <= 0) };
    (Some((0..ends.len()).map(|i| slope(each(i))).collect()), Some((0..ends.len()).map(|i| phase(each(i))).collect()))
}

fn ends(rules: &Rules, claims: &Claims, len: usize) -> Option<Ends> {
    let end = |o: usize, side: Side| {
        let ways = rules.by_ends(o, side).into_iter().chain(rules.by_forms(o, side, &[]));
        let all = ways.filter_map(|way| constant(&way, side, &[], claims));
        match side {
            Side::Lower => all.reduce(f64::max),
            Side::Upper => all.reduce(f64::min),
        }
    };
    let side = |side: Side| (0..len).map(|o| Number::of_f64(end(o, side)?)).collect::<Option<Vec<_>>>();
    Some(Ends { low: side(Side::Lower)?, high: side(Side::Upper)? })
}

fn forms(rules: &Rules, claims: &Claims, ends: &Ends) -> Option<Forms> {
    let width = claims.width();
    let lines = |side: Side| {
        let mut lines = Lines::default();
        for o in 0..ends.len() {
            match rules.by_forms(o, side, &[]).first() {
                Some(way) => {
                    let coefficients: Option<Vec<Number>> =
                        way.coefficients(width).into_iter().map(|c| Number::of_f64((c as f32).into())).collect();
                    let coefficients = coefficients?;
                    lines.constants.push(Number::of_f64(constant(way, side, &coefficients, claims)?)?);
                    lines.coefficients.extend(coefficients);
                }
                None => {
                    lines.coefficients.extend(std::iter::repeat_n(Number::ZERO, width));
                    lines.constants.push(ends.side(side)[o].clone());
                }
            }
        }
        Some(lines)
    };
    // A context node's own functions are needed before its width is known.
    (width > 0 || !rules.is_assumption()).then_some(())?;
    Some(Forms { low: lines(Side::Lower)?, high: lines(Side::Upper)? })
}

/// Multiplications up to which a constant is computed exactly before it is rounded.
const MOST_EXACT: usize = 256;

/// The best constant that a claim with these coefficients may have, as a binary32 number.
fn constant(way: &Combination, side: Side, coefficients: &[Number], claims: &Claims) -> Option<f64> {
    let input = claims.input_box();
    // The gap of a claim with constant 0; per unit of scale, a lower one moves by its own constant up, an upper one down.
    let gap = match way.work(claims.width()) <= MOST_EXACT {
        true => {
            let (gap, scale) = (way.gap::<Decimal>(side, coefficients, &Number::ZERO, input), way.scale.value::<Decimal>());
            gap.quotient(&scale).or_else(|| gap.quotient_down(&scale))?.to_f64_down()
        }
        false => {
            let (gap, scale) = (way.gap::<Interval>(side, coefficients, &Number::ZERO, input), way.scale.value::<Interval>());
            (Interval::point(gap.low) / scale).low
        }
    };
    match side {
        Side::Lower => Some(-at_least(-gap)?),
        Side::Upper => at_least(-gap),
    }
}

/// The least binary32 number that is at least `x`; `None` beyond the largest.
fn at_least(x: f64) -> Option<f64> {
    let near = x as f32;
    let above = if f64::from(near) < x { near.next_up() } else { near };
    Some(f64::from(above)).filter(|a| a.is_finite())
}
