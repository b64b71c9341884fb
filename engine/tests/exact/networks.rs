//! Random networks, and points with everything that the program says about them: exact rationals, errors included.

use dashu::rational::RBig;
use engine::bounds::chain::{Objective, Objectives};
use engine::bounds::exact::{Program, Rows, State};
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::{Numbers, Random};
use engine::ops::{Abs, Dense, LeakyRelu, Operation, Ranges, Relu, Spread, Sum};

pub fn below(n: usize, random: &mut Random) -> usize {
    (random.bits() % n as u64) as usize
}

/// In `[-1, 1]`.
pub fn signed(random: &mut Random) -> f64 {
    2.0 * (random.bits() >> 11) as f64 / (1u64 << 53) as f64 - 1.0
}

pub fn pick<T: Copy>(from: &[T], random: &mut Random) -> T {
    from[below(from.len(), random)]
}

/// How weights are drawn: small integers (margins of exactly zero), of one size, of all sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    Integers,
    Plain,
    Wild,
}

fn weight(style: Style, random: &mut Random) -> f32 {
    match style {
        Style::Integers => pick(&[-2.0, -1.0, -1.0, 0.0, 1.0, 1.0, 2.0], random),
        Style::Plain => signed(random) as f32,
        Style::Wild => (pick(&[0.0, 1e-42, 1e-20, 1e-3, 1.0, 1.0, 3e3, 1e9], random) * signed(random)) as f32,
    }
}

fn dense(graph: &mut Graph, from: NodeId, outputs: usize, style: Style, random: &mut Random) -> NodeId {
    let inputs = graph.nodes[from].len();
    let weights = Numbers::F32((0..inputs * outputs).map(|_| weight(style, random)).collect());
    let bias = Numbers::F32((0..outputs).map(|_| weight(style, random)).collect());
    let op = Dense::new("Gemm", inputs, outputs, weights, Some(bias)).expect("sizes fit");
    graph.add("dense", Operation::Affine(Box::new(op)), &[from], &[1, outputs]).expect("sizes fit")
}

fn bend(graph: &mut Graph, from: NodeId, random: &mut Random) -> NodeId {
    let operation = match below(6, random) {
        0 => Operation::Scalar(Box::new(Abs)),
        1 => Operation::Scalar(Box::new(LeakyRelu::new(0.1).expect("a number"))),
        _ => Operation::Scalar(Box::new(Relu)),
    };
    let shape = graph.nodes[from].shape.clone();
    graph.add("bend", operation, &[from], &shape).expect("sizes fit")
}

/// A network of one to three bent layers, some with a value carried past them.
pub fn network(style: Style, random: &mut Random) -> Graph {
    let mut graph = Graph::new(Element::F32);
    let mut top = graph.add_input("X", &[1, 1 + below(4, random)]);
    graph.inputs = vec![top];
    for _ in 0..pick(&[1, 1, 1, 2, 3], random) {
        top = dense(&mut graph, top, 1 + below(6, random), style, random);
        let bent = bend(&mut graph, top, random);
        top = if below(4, random) == 0 {
            let len = graph.nodes[top].len();
            let sum = Sum::new("Add", vec![(Spread::same(len), false), (Spread::same(len), below(2, random) == 0)]).expect("sizes fit");
            let shape = graph.nodes[top].shape.clone();
            graph.add("residual", Operation::Affine(Box::new(sum)), &[top, bent], &shape).expect("sizes fit")
        } else {
            bent
        };
    }
    top = dense(&mut graph, top, 1 + below(3, random), style, random);
    graph.outputs = vec![top];
    graph
}

pub fn region(inputs: usize, random: &mut Random) -> Ranges {
    let kind = below(5, random);
    let side = |random: &mut Random| {
        let middle = (signed(random) * 4.0).round() / 4.0;
        match if below(6, random) == 0 { below(5, random) } else { kind } {
            0 => (middle, middle),
            1 => (middle - 0.125, middle + 0.125),
            2 => (0.0, middle.abs()),
            3 => (-1e-44, 1e-38),
            _ => (-1.0, 1.0),
        }
    };
    let (low, high) = (0..inputs).map(|_| side(random)).unzip();
    Ranges { low, high }
}

/// A point of the box: corners, middles, anything.
pub fn point(region: &Ranges, random: &mut Random) -> Vec<f64> {
    let corner = below(3, random) == 0;
    let coordinate = |d: usize, random: &mut Random| {
        let (l, h) = (region.low[d], region.high[d]);
        match below(if corner { 2 } else { 4 }, random) {
            0 => l,
            1 => h,
            2 => (0.5 * l + 0.5 * h).clamp(l, h),
            _ => (l + 0.5 * (1.0 + signed(random)) * (h - l)).clamp(l, h),
        }
    };
    (0..region.len()).map(|d| coordinate(d, random)).collect()
}

/// Conjunctions of random linear functions of the outputs.
pub fn objectives(outputs: usize, random: &mut Random) -> Objectives<f64> {
    let rows = 1 + below(3, random);
    let row = |random: &mut Random| Objective {
        outputs: (0..outputs).map(|_| pick(&[-1.0, 0.0, 1.0, 1.0, 0.1], random)).collect(),
        constant: pick(&[0.0, 0.25, -1.0], random),
        strict: below(4, random) == 0,
        ..Objective::default()
    };
    Objectives { rows: (0..rows).map(|_| row(random)).collect(), disjuncts: vec![(0..rows).collect()], cuts: Vec::new() }
}

pub fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("finite")
}

/// One way for the network to behave at one point.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Inputs, then pre-activations.
    pub entries: Vec<RBig>,
    /// Inputs, then hinge values.
    pub values: Vec<RBig>,
    pub goals: Vec<RBig>,
}

/// A network that errs as much as the program's rows allow, in directions at random.
pub fn adversary(program: &Program, x: &[f64], random: &mut Random) -> Trace {
    let mut values: Vec<RBig> = x.iter().map(|&x| exact(x)).collect();
    let mut entries = values.clone();
    let mut sum = |rows: &Rows, r: usize, values: &[RBig]| {
        let bias = exact(rows.bias[r]) + exact(pick(&[-1.0, 0.0, 1.0], random)) * exact(rows.error[r]);
        rows.terms(r).iter().fold(bias, |sum, &(v, w)| sum + exact(w) * &values[v as usize])
    };
    for j in 0..program.hinges.len() {
        let a = sum(&program.hinges, j, &values);
        values.push(if a < RBig::ZERO { exact(program.slope[j]) * &a } else { a.clone() });
        entries.push(a);
    }
    let goals = (0..program.goals.len()).map(|g| sum(&program.goals, g, &values)).collect();
    Trace { entries, values, goals }
}

/// True if the state holds the trace.
pub fn holds(state: &State, trace: &Trace) -> bool {
    let inside = |(x, (l, h)): (&RBig, (&f64, &f64))| exact(*l) <= *x && *x <= exact(*h);
    trace.entries.iter().zip(state.low.iter().zip(&state.high)).all(inside)
}
