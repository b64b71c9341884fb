//! Proved bounds of linear functions of the outputs over boxes, and of every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use checker::Semantics;
use engine::bounds::{Deployed, Descent, Network as Prepared, Plan, Relaxation};
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::environment;
use engine::ops::Ranges;
use engine::search::SemanticsChoice;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays;
use crate::errors::{UnsupportedError, value};
use crate::network::Network;
use crate::running;
use crate::verify::semantics;

/// How tight, and under which semantics.
#[derive(Clone, Copy)]
struct Method {
    /// Forward affine bounds of intermediate values.
    forward: bool,
    /// Backward rows for intermediate values.
    rows: bool,
    /// Backward rows for the outputs.
    backward: bool,
    /// Slope steps.
    steps: usize,
    threads: usize,
    semantics: Semantics,
    deployed: Deployed,
}

impl Method {
    fn new(name: &str, steps: usize, threads: Option<usize>, word: &str, graph: &Graph) -> PyResult<Method> {
        let semantics = match semantics(word)? {
            SemanticsChoice::Only(semantics) => semantics,
            SemanticsChoice::Auto => Semantics::Both,
        };
        let deployed = if semantics == Semantics::Real { Deployed::REAL } else { Deployed::evaluated_in(graph.element) };
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get())).max(1);
        let (forward, rows, backward, steps) = match name {
            "interval" => (false, false, false, 0),
            "forward" => (true, false, false, 0),
            "crown-forward" => (true, false, true, 0),
            "crown-interval" => (false, false, true, 0),
            "crown" => (false, true, true, 0),
            "alpha" => (false, true, true, steps),
            _ => {
                return Err(value(format!(
                    "method '{name}'; use 'interval', 'forward', 'crown-interval', 'crown-forward', 'crown' or 'alpha'"
                )));
            }
        };
        Ok(Method { forward, rows, backward, steps, threads, semantics, deployed })
    }

    /// The inputs that the semantics ranges over: the box, what its points round to, or both.
    fn region(&self, given: &Ranges, element: Element) -> Ranges {
        let rounded = |x: &f64| if element == Element::F32 { *x as f32 as f64 } else { *x };
        let mut region = given.clone();
        if self.semantics != Semantics::Real {
            let hull = self.semantics == Semantics::Both;
            region.low.iter_mut().for_each(|x| *x = if hull { x.min(rounded(x)) } else { rounded(x) });
            region.high.iter_mut().for_each(|x| *x = if hull { x.max(rounded(x)) } else { rounded(x) });
        }
        region
    }

    fn relax<'n>(&self, prepared: &'n Prepared<'n>, region: &Ranges, stop: &AtomicBool) -> Relaxation<'n, f64> {
        let stopped = || stop.load(Ordering::Relaxed);
        let plan = Plan { forward: self.forward, rows: self.rows, steps: self.steps, threads: self.threads, ..Plan::crown(&stopped) };
        Relaxation::planned(prepared, &self.region(region, prepared.graph.element), plan)
    }
}

/// Bounds of rows over one box: ends, and where asked for the linear functions that give them.
#[derive(Default)]
struct Bounds {
    low: Vec<f64>,
    high: Vec<f64>,
    low_slopes: Vec<f64>,
    low_constants: Vec<f64>,
    high_slopes: Vec<f64>,
    high_constants: Vec<f64>,
}

type Arrays<'py> = [Bound<'py, PyBytes>; 6];
/// Name, lower and upper bounds.
type NodeRange<'py> = (String, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// For each box (flat, row by row) lower and upper bounds of the rows `rows` (coefficients on the outputs, shared or one set
/// per box), and with `linear` the slopes and constants of linear lower and upper bounds in the inputs.
#[pyfunction]
#[pyo3(signature = (network, low, high, rows, *, row_count, method="crown", semantics="both", steps=20, linear=false, threads=None))]
#[allow(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn output_bounds<'py>(
    py: Python<'py>,
    network: &Network,
    low: &[u8],
    high: &[u8],
    rows: &[u8],
    row_count: usize,
    method: &str,
    semantics: &str,
    steps: usize,
    linear: bool,
    threads: Option<usize>,
) -> PyResult<Arrays<'py>> {
    let method = Method::new(method, steps, threads, semantics, &network.graph)?;
    let boxes = boxes(low, high, network.graph.input_len())?;
    let rows = arrays::numbers(rows)?;
    let size = row_count * network.graph.output_len();
    if rows.len() != size && rows.len() != size * boxes.len() {
        return Err(value(format!("{} coefficients for {row_count} rows of {} outputs", rows.len(), network.graph.output_len())));
    }
    let (graph, stop) = (Arc::clone(&network.graph), Arc::<AtomicBool>::default());
    let head = if method.backward { None } else { network.head(py)? };
    let flag = Arc::clone(&stop);
    let work = move || {
        let prepared = Prepared::new(&graph, method.deployed);
        let head = head.as_ref().map(|head| Prepared::new(head, method.deployed));
        let mut all = Bounds::default();
        if !environment::is_default() {
            return None;
        }
        for (i, region) in boxes.iter().enumerate() {
            let own = if rows.len() == size { &rows[..] } else { &rows[i * size..(i + 1) * size] };
            bound(&prepared, head.as_ref(), region, own, row_count, method, linear, &flag, &mut all);
        }
        Some(all)
    };
    let all = running::run(py, &stop, None, || Ok(()), work)?.flatten().ok_or_else(foreign_environment)?;
    let parts = [all.low, all.high, all.low_slopes, all.low_constants, all.high_slopes, all.high_constants];
    Ok(parts.map(|part| arrays::bytes(py, &part)))
}

#[allow(clippy::too_many_arguments, reason = "one box of a batch")]
fn bound(
    prepared: &Prepared,
    head: Option<&Prepared>,
    region: &Ranges,
    rows: &[f64],
    count: usize,
    method: Method,
    linear: bool,
    stop: &AtomicBool,
    all: &mut Bounds,
) {
    let relaxation = method.relax(prepared, region, stop);
    let inputs = region.len();
    if !method.backward {
        let mut ends = intervals(&relaxation, rows, count);
        if let Some(head) = head {
            through_head(head, &relaxation, rows, count, &mut ends);
        }
        if linear {
            all.low_slopes.resize(all.low_slopes.len() + count * inputs, 0.0);
            all.high_slopes.resize(all.high_slopes.len() + count * inputs, 0.0);
            all.low_constants.extend(&ends.low);
            all.high_constants.extend(&ends.high);
        }
        all.low.extend(ends.low);
        all.high.extend(ends.high);
        return;
    }
    // Lower bounds of a row are upper bounds of its negative.
    let both: Vec<f64> = rows.iter().copied().chain(rows.iter().map(|c| -c)).collect();
    let starts = starts(prepared.graph, &both, 2 * count);
    let stopped = |_: &[_]| stop.load(Ordering::Relaxed);
    let forms = match method.steps {
        0 => relaxation.sweep(starts, 2 * count),
        steps => relaxation.optimised(&starts, 2 * count, Descent::of(steps), &stopped),
    };
    let interval = intervals(&relaxation, rows, count);
    let (upper, lower) = forms.split_at(count);
    all.high.extend(upper.iter().zip(&interval.high).map(|(f, &i)| if f.bound < i { f.bound } else { i }));
    all.low.extend(lower.iter().zip(&interval.low).map(|(f, &i)| if -f.bound > i { -f.bound } else { i }));
    if linear {
        all.high_slopes.extend(upper.iter().flat_map(|f| f.coefficients.iter().copied()));
        all.low_slopes.extend(lower.iter().flat_map(|f| f.coefficients.iter().map(|c| -c)));
        all.high_constants.extend(upper.iter().map(|f| f.constant));
        all.low_constants.extend(lower.iter().map(|f| -f.constant));
    }
}

/// Tightens interval bounds of rows by taking the rows through the last layer first: its weights cancel there.
fn through_head(head: &Prepared, relaxation: &Relaxation<f64>, rows: &[f64], count: usize, ends: &mut Ranges) {
    let graph = relaxation.network.graph;
    let operand = graph.nodes[graph.outputs[0]].inputs[0];
    let last = Relaxation::<f64>::interval(head, &relaxation.bounds.ranges[operand]);
    let both: Vec<f64> = rows.iter().copied().chain(rows.iter().map(|c| -c)).collect();
    let forms = last.sweep(starts(head.graph, &both, 2 * count), 2 * count);
    for (i, (upper, lower)) in forms[..count].iter().zip(&forms[count..]).enumerate() {
        ends.high[i] = if upper.bound < ends.high[i] { upper.bound } else { ends.high[i] };
        ends.low[i] = if -lower.bound > ends.low[i] { -lower.bound } else { ends.low[i] };
    }
}

/// Coefficients on the outputs, node by node.
fn starts(graph: &Graph, rows: &[f64], count: usize) -> Vec<(NodeId, Vec<f64>)> {
    let width = graph.output_len();
    let mut first = 0;
    let part = |&id: &NodeId| {
        let own = first..first + graph.nodes[id].len();
        first = own.end;
        (id, (0..count).flat_map(|r| rows[r * width..][own.clone()].iter().copied()).collect())
    };
    graph.outputs.iter().map(part).collect()
}

/// Interval bounds of rows from the ranges of the outputs.
fn intervals(relaxation: &Relaxation<f64>, rows: &[f64], count: usize) -> Ranges {
    let graph = relaxation.network.graph;
    let outputs: Vec<_> = graph.outputs.iter().flat_map(|&id| (0..graph.nodes[id].len()).map(move |i| (id, i))).collect();
    let mut ends = Ranges::default();
    for row in rows.chunks_exact(outputs.len()).take(count) {
        let (mut low, mut high) = (0.0f64, 0.0f64);
        for (&c, &(id, i)) in row.iter().zip(&outputs).filter(|(c, _)| **c != 0.0) {
            let range = relaxation.bounds.ranges[id].at(i);
            let (least, most) = if c > 0.0 { (range.low, range.high) } else { (range.high, range.low) };
            // A coefficient of one, alone, is exact; products and sums are widened one by one.
            low = sum(low, c * least, c.abs() == 1.0, f64::next_down);
            high = sum(high, c * most, c.abs() == 1.0, f64::next_up);
        }
        let known = low <= high;
        ends.low.push(if known { low } else { f64::NEG_INFINITY });
        ends.high.push(if known { high } else { f64::INFINITY });
    }
    ends
}

fn sum(total: f64, term: f64, exact: bool, outward: fn(f64) -> f64) -> f64 {
    let term = if exact { term } else { outward(term) };
    if total == 0.0 { term } else { outward(total + term) }
}

fn boxes(low: &[u8], high: &[u8], width: usize) -> PyResult<Vec<Ranges>> {
    let (low, high) = (arrays::numbers(low)?, arrays::numbers(high)?);
    if low.len() != high.len() || width == 0 || low.len() % width != 0 {
        return Err(value(format!("{} lower and {} upper ends for boxes of {width} inputs", low.len(), high.len())));
    }
    if let Some(bad) = low.iter().zip(&high).position(|(l, h)| !(l <= h) || !l.is_finite() || !h.is_finite()) {
        return Err(value(format!(
            "box {}, input {}: [{}, {}] is no interval of finite numbers",
            bad / width,
            bad % width,
            low[bad],
            high[bad]
        )));
    }
    let corners = low.chunks_exact(width).zip(high.chunks_exact(width));
    Ok(corners.map(|(low, high)| Ranges { low: low.to_vec(), high: high.to_vec() }).collect())
}

fn foreign_environment() -> PyErr {
    UnsupportedError::new_err(
        "a library in this process has changed how floating-point numbers are rounded or flushes subnormal ones (in PyTorch: \
         torch.set_flush_denormal(True)); undo that, nothing is proved under it",
    )
}

/// Name, lower and upper bounds of every node of the network over one box, in order.
#[pyfunction]
#[pyo3(signature = (network, low, high, *, method="crown", semantics="both", steps=20, threads=None))]
#[allow(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn node_ranges<'py>(
    py: Python<'py>,
    network: &Network,
    low: &[u8],
    high: &[u8],
    method: &str,
    semantics: &str,
    steps: usize,
    threads: Option<usize>,
) -> PyResult<Vec<NodeRange<'py>>> {
    let method = Method::new(method, steps, threads, semantics, &network.graph)?;
    let mut boxes = boxes(low, high, network.graph.input_len())?;
    let (Some(region), true) = (boxes.pop(), boxes.is_empty()) else { return Err(value("exactly one box is needed")) };
    let (graph, stop) = (Arc::clone(&network.graph), Arc::<AtomicBool>::default());
    let flag = Arc::clone(&stop);
    let ranges = move || method.relax(&Prepared::new(&graph, method.deployed), &region, &flag).bounds.ranges;
    let work = move || environment::is_default().then(ranges);
    let ranges = running::run(py, &stop, None, || Ok(()), work)?.flatten().ok_or_else(foreign_environment)?;
    let named = network.graph.nodes.iter().zip(ranges);
    Ok(named.map(|(node, r)| (node.name.clone(), arrays::bytes(py, &r.low), arrays::bytes(py, &r.high))).collect())
}
