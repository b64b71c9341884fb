//! Reading per-node certificates: `ctx`, `ibp`, `crown`, `alpha`, `beta`, with one entry for each node.

use engine::graph::{Graph, NodeId};
use engine::ops::Operation;

use super::claims::{Claims, Ends, Forms, Lines, NodeClaim};
use crate::ExchangeError;
use crate::json::Field;

/// The members that make the claims.
pub const MEMBERS: [&str; 5] = ["ctx", "ibp", "crown", "alpha", "beta"];

/// Reads the claims of a certificate about `graph`.
pub fn claims(top: &Field, graph: &Graph) -> Result<Claims, ExchangeError> {
    let mut claims = Claims { input: context(top, graph)?, nodes: Vec::new() };
    for (id, entry) in top.member("ibp")?.exactly(graph.nodes.len())?.iter().enumerate() {
        let ends = match entry.is_null() {
            true => None,
            false => Some(ends(entry, graph.nodes[id].len())?),
        };
        claims.nodes.push(NodeClaim { ends, ..NodeClaim::default() });
    }
    for_each(top, "crown", graph, &mut claims, |entry, len, claims, id| {
        let Some(input) = claims.input else { return Err(entry.expected("null, as there is no `ctx`")) };
        let Some(input_box) = claims.input_box() else {
            return Err(entry.expected(format!("null, as `ibp[{input}]` claims no box of the input")));
        };
        claims.nodes[id].forms = Some(forms(entry, len, input_box.len())?);
        Ok(())
    })?;
    for_each(top, "alpha", graph, &mut claims, |entry, len, claims, id| {
        claims.nodes[id].alpha = Some(entry.numbers(len)?);
        Ok(())
    })?;
    for_each(top, "beta", graph, &mut claims, |entry, len, claims, id| {
        claims.nodes[id].beta = Some(entry.exactly(len)?.iter().map(phase).collect::<Result<_, _>>()?);
        Ok(())
    })?;
    Ok(claims)
}

/// Calls `each` for every entry of an optional member that is not null.
fn for_each(
    top: &Field,
    name: &str,
    graph: &Graph,
    claims: &mut Claims,
    each: impl Fn(&Field, usize, &mut Claims, NodeId) -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    let Some(member) = top.optional(name)?.filter(|m| !m.is_null()) else { return Ok(()) };
    for (id, entry) in member.exactly(graph.nodes.len())?.iter().enumerate().filter(|(_, e)| !e.is_null()) {
        each(entry, graph.nodes[id].len(), claims, id)?;
    }
    Ok(())
}

fn context(top: &Field, graph: &Graph) -> Result<Option<NodeId>, ExchangeError> {
    let Some(context) = top.optional("ctx")?.filter(|c| !c.is_null()) else { return Ok(None) };
    context.only(&["inputId", "inputDim"])?;
    let field = context.member("inputId")?;
    let id = field.natural(graph.nodes.len().saturating_sub(1))?;
    if !matches!(graph.nodes[id].operation, Operation::Input) {
        return Err(field.expected("the number of an input node"));
    }
    let (dim, len) = (context.member("inputDim")?, graph.nodes[id].len());
    if dim.natural(usize::MAX)? != len {
        return Err(dim.expected(format!("{len}, the size of node {id}")));
    }
    Ok(Some(id))
}

/// Reads `{"lo": [...], "hi": [...]}` of `n` elements each.
pub fn ends(field: &Field, n: usize) -> Result<Ends, ExchangeError> {
    field.only(&["lo", "hi"])?;
    let ends = Ends { low: field.member("lo")?.numbers(n)?, high: field.member("hi")?.numbers(n)? };
    match (0..n).find(|&i| ends.low[i].exact > ends.high[i].exact) {
        Some(i) => Err(field.expected(format!("lo[{i}] to be at most hi[{i}]"))),
        None => Ok(ends),
    }
}

fn forms(field: &Field, n: usize, width: usize) -> Result<Forms, ExchangeError> {
    field.only(&["loA", "loC", "hiA", "hiC"])?;
    let lines = |a: &str, c: &str| -> Result<Lines, ExchangeError> {
        Ok(Lines { coefficients: field.member(a)?.matrix(n, width)?, constants: field.member(c)?.numbers(n)? })
    };
    Ok(Forms { low: lines("loA", "loC")?, high: lines("hiA", "hiC")? })
}

fn phase(field: &Field) -> Result<i8, ExchangeError> {
    let phases = [(-1.0, -1), (0.0, 0), (1.0, 1)];
    let phase = field.number().ok().and_then(|n| phases.iter().find(|p| n.near.low == p.0 && n.near.high == p.0));
    phase.map(|p| p.1).ok_or_else(|| field.expected("-1 (inactive), 0 (unknown) or 1 (active)"))
}
