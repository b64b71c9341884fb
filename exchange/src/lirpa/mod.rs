//! Certificates of output intervals: a box of the input and intervals of one node, for a network that the file names.
//!
//! `{"graph": name, "input_box": {"id", "dim", "lo", "hi"}, "result": {"node_id", "dim", "lo", "hi"}}`. Intervals are propagated
//! exactly through affine operators and ReLU and rounded outward elsewhere; the result has to contain what comes out.

mod fixtures;

pub use fixtures::{NAMES, network};

use engine::graph::Graph;
use engine::numerics::Decimal;
use engine::ops::Operation;

use crate::json::{Field, Value, quoted, shown};
use crate::nodes::{Claims, Ends, exact_ends};
use crate::{ExchangeError, Judgement};

/// What a file states.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputIntervals {
    /// Name of the network.
    pub graph: String,
    /// Number of the input node, and its box.
    pub input: (usize, Ends),
    /// Number of another node, and intervals of its elements.
    pub result: (usize, Ends),
}

/// Reads a certificate; `file` is for messages.
pub fn read(file: &str, value: &Value) -> Result<OutputIntervals, ExchangeError> {
    let top = Field::top(file, value);
    top.only(&["graph", "input_box", "result"])?;
    let ranges = |name: &str, id: &str| {
        let field = top.member(name)?;
        field.only(&[id, "dim", "lo", "hi"])?;
        let n = field.member("dim")?.positive(1 << 24)?;
        let numbers = |end: &str| field.member(end)?.numbers(n);
        let own = Ends { low: numbers("lo")?, high: numbers("hi")? };
        match (0..n).find(|&i| own.low[i].exact > own.high[i].exact) {
            Some(i) => Err(field.expected(format!("lo[{i}] to be at most hi[{i}]"))),
            None => Ok((field.member(id)?.natural(1 << 24)?, own)),
        }
    };
    Ok(OutputIntervals {
        graph: top.member("graph")?.text()?.into(),
        input: ranges("input_box", "id")?,
        result: ranges("result", "node_id")?,
    })
}

/// Compares the result with the recomputed intervals.
pub fn check(certificate: &OutputIntervals, graph: &Graph) -> Result<Judgement, ExchangeError> {
    let (id, result) = &certificate.result;
    let computed = recompute(graph, certificate)?;
    let Some(own) = computed.nodes.get(*id).and_then(|n| n.ends.as_ref()) else {
        return Ok(Judgement::Rejected(format!("nothing finite follows for node {id}")));
    };
    if own.len() != result.len() {
        return Err(ExchangeError::Mismatch(format!("`result` has {} elements, node {id} of the network {}", result.len(), own.len())));
    }
    for i in 0..own.len() {
        let (low, high) = (&result.low[i].exact, &result.high[i].exact);
        if *low > own.low[i].exact {
            return Ok(tighter(i, "lo", low, &own.low[i].exact));
        }
        if *high < own.high[i].exact {
            return Ok(tighter(i, "hi", high, &own.high[i].exact));
        }
    }
    let inputs = certificate.input.1.len();
    Ok(Judgement::Accepted(vec![format!(
        "node {id} of {} lies in `result` for every input of the box ({inputs} inputs)",
        certificate.graph
    )]))
}

fn tighter(i: usize, end: &str, claimed: &Decimal, computed: &Decimal) -> Judgement {
    let by = (claimed - computed).abs().to_f64();
    let (claimed, computed) = (shown(claimed), shown(computed));
    let hint = "a producer that rounds to nearest may be inside by some units in the last place";
    Judgement::Rejected(format!("result.{end}[{i}] = {claimed} is not implied: {computed} is what follows, {by:.1e} further out ({hint})"))
}

fn recompute(graph: &Graph, certificate: &OutputIntervals) -> Result<Claims, ExchangeError> {
    let (id, domain) = &certificate.input;
    let is_input = graph.inputs == [*id] && graph.nodes.get(*id).is_some_and(|n| matches!(n.operation, Operation::Input));
    if !is_input || graph.nodes[*id].len() != domain.len() {
        let problem = format!("`input_box` is node {id} with {} elements, which is not the one input of the network", domain.len());
        return Err(ExchangeError::Mismatch(problem));
    }
    exact_ends(graph, domain)
}

/// A certificate of our own over a box: the tightest intervals that the check accepts, rounded outward to binary32.
pub fn write(name: &str, graph: &Graph, domain: &[(Decimal, Decimal)]) -> Result<String, ExchangeError> {
    let claims = crate::nodes::produce(graph, domain, false)?;
    let (Some(&input), Some(&output)) = (graph.inputs.first(), graph.outputs.first()) else {
        return Err(ExchangeError::Inexpressible("a network without input or output".into()));
    };
    let part = |id: usize, key: &str| {
        let ends =
            claims.nodes[id].ends.as_ref().ok_or_else(|| ExchangeError::NotProved(format!("nothing finite follows for node {id}")))?;
        let (low, high) = (crate::nodes::vector(&ends.low), crate::nodes::vector(&ends.high));
        Ok::<_, ExchangeError>(format!(r#"{{"{key}":{id},"dim":{},"lo":{low},"hi":{high}}}"#, ends.len()))
    };
    let (input, result) = (part(input, "id")?, part(output, "node_id")?);
    Ok(format!(r#"{{"graph":{},"input_box":{input},"result":{result}}}"#, quoted(name)) + "\n")
}
