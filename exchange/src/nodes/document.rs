//! A per-node certificate as a file: judged as a whole, and written.

use engine::graph::Graph;
use engine::numerics::Decimal;
use engine::query::Query;

use super::claims::Claims;
use super::{FORMAT, MEMBERS, Parts, check, claims, covers, decides, ends, graph, members, produce, to_json};
use crate::json::{Field, Value, shown};
use crate::{ExchangeError, Judgement};

/// Which claims a certificate may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Intervals.
    Intervals,
    /// Also affine functions and slopes.
    Alpha,
    /// Also phases.
    AlphaBeta,
}

impl Kind {
    fn members(self) -> &'static [&'static str] {
        match self {
            Kind::Intervals => &MEMBERS[1..2],
            Kind::Alpha => &MEMBERS[..4],
            Kind::AlphaBeta => &MEMBERS,
        }
    }
}

/// Lower and upper ends of all input elements in order.
pub type Domain = Vec<(Decimal, Decimal)>;

/// The network and the inputs that a certificate holds itself, if it does; `file` is for messages.
pub fn inside(file: &str, value: &Value) -> Result<Option<(Graph, Option<Domain>)>, ExchangeError> {
    let top = Field::top(file, value);
    let Some(field) = top.optional("graph")? else { return Ok(None) };
    top.member("format")?.is(FORMAT)?;
    let graph = graph::read(&field)?;
    let domain = match top.optional("input")? {
        Some(input) => {
            let ends = ends(&input, graph.input_len())?;
            Some(ends.low.into_iter().zip(ends.high).map(|(l, h)| (l.exact, h.exact)).collect())
        }
        None => None,
    };
    Ok(Some((graph, domain)))
}

/// Judges a certificate about `graph`. With `domain` it has to be about these inputs; with `query` it is also said whether the
/// claims decide it.
pub fn judge(
    file: &str,
    value: &Value,
    kind: Kind,
    graph: &Graph,
    domain: Option<&Domain>,
    query: Option<&Query>,
) -> Result<Judgement, ExchangeError> {
    let top = Field::top(file, value);
    let own = if top.optional("graph")?.is_some() { &["format", "graph", "input"][..] } else { &[] };
    top.only(&[own, kind.members()].concat())?;
    let claims = claims(&top, graph)?;
    let covered = domain.map_or(Ok(()), |d| covers(graph, &claims, d));
    if let Err(why) = covered.and_then(|()| check(graph, &claims)) {
        return Ok(Judgement::Rejected(why));
    }
    let mut lines = statement(graph, &claims);
    lines.extend(query.map(|q| match decides(graph, &claims, q) {
        Ok(()) => "the query holds (unsat) for the real network".to_string(),
        Err(why) => format!("the query is not decided: {why}"),
    }));
    Ok(Judgement::Accepted(lines))
}

/// Most elements that are listed.
const MOST_LISTED: usize = 10;

fn statement(graph: &Graph, claims: &Claims) -> Vec<String> {
    let intervals = claims.nodes.iter().filter(|n| n.ends.is_some()).count();
    let forms = claims.nodes.iter().filter(|n| n.forms.is_some()).count();
    let all = claims.nodes.len();
    let mut lines = vec![format!("every claim is implied: intervals of {intervals} and affine functions of {forms} of {all} nodes")];
    for (word, ids) in [("input", &graph.inputs), ("output", &graph.outputs)] {
        let elements = ids.iter().flat_map(|&id| (0..graph.nodes[id].len()).map(move |i| (id, i)));
        for (at, (id, i)) in elements.clone().enumerate().take(MOST_LISTED) {
            lines.extend(claims.exact(id, i).map(|(low, high)| format!("{word} {at} in [{}, {}]", shown(low), shown(high))));
        }
        if let more @ 1.. = elements.count().saturating_sub(MOST_LISTED) {
            lines.push(format!("and {more} more {word}s"));
        }
    }
    lines
}

/// A certificate of our own over a box, with its network inside if `embed`; refused if our own check does not accept it.
pub fn write(graph: &Graph, domain: &Domain, kind: Kind, embed: bool) -> Result<String, ExchangeError> {
    let claims = produce(graph, domain, kind != Kind::Intervals)?;
    covers(graph, &claims, domain).and_then(|()| check(graph, &claims)).map_err(ExchangeError::NotProved)?;
    let before = if embed { members(graph, domain)? } else { String::new() };
    Ok(to_json(&claims, Parts { forms: kind != Kind::Intervals, phases: kind == Kind::AlphaBeta }, &before))
}
