//! The truth about tiny networks: exact evaluation at corners and random points of a box.

use dashu::rational::RBig;
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::{Decimal, Numbers, Random};
use engine::ops::{Dense, Operation, Relu, Spread, Sum};

/// Exact values of all nodes at a point; `None` where an operator is not rational.
pub fn values(graph: &Graph, point: &[RBig]) -> Vec<Option<Vec<RBig>>> {
    let mut rest = point;
    let mut all: Vec<Option<Vec<RBig>>> = Vec::new();
    for node in &graph.nodes {
        let operands: Option<Vec<&Vec<RBig>>> = node.inputs.iter().map(|&p| all[p].as_ref()).collect();
        let value = match (&node.operation, operands) {
            (Operation::Input, _) => {
                let (own, others) = rest.split_at(node.len());
                rest = others;
                Some(own.to_vec())
            }
            (_, None) => None,
            (Operation::Constant(values), _) => Some(values.to_f64().into_iter().map(exact).collect()),
            (Operation::Affine(op), Some(x)) => {
                let mut y: Vec<RBig> = (0..node.len()).map(|o| exact(op.bias().map_or(0.0, |b| b.at(o)))).collect();
                for (k, x) in x.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| y[o] = &y[o] + exact(w) * &x[i]);
                }
                Some(y).filter(|_| op.weight_error() == 0.0)
            }
            (Operation::Scalar(op), Some(x)) => x[0].iter().map(|v| op.eval_exact(v)).collect(),
            (Operation::General(op), Some(x)) => op.eval_exact(&x.iter().map(|v| v.as_slice()).collect::<Vec<_>>()),
        };
        all.push(value);
    }
    all
}

/// A double as a fraction.
pub fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("finite")
}

/// Corners of a box (some of them, in many dimensions), its middle and random points, exactly.
pub fn points(domain: &[(Decimal, Decimal)], random: &mut Random, count: usize) -> Vec<Vec<RBig>> {
    let mut points = Vec::new();
    let at = |part: &mut dyn FnMut(usize) -> RBig| -> Vec<RBig> {
        let along = |(i, (l, h)): (usize, &(Decimal, Decimal))| {
            let (l, h) = (l.to_rational(), h.to_rational());
            &l + (h - &l) * part(i)
        };
        domain.iter().enumerate().map(along).collect()
    };
    for corner in 0..1usize << domain.len().min(5) {
        points.push(at(&mut |i| if corner >> (i % 5) & 1 == 1 { RBig::ONE } else { RBig::ZERO }));
    }
    points.push(at(&mut |_| RBig::from_parts(1.into(), 2u8.into())));
    for _ in 0..count {
        points.push(at(&mut |_| RBig::from_parts(((random.bits() % 17) as i64).into(), 16u8.into())));
    }
    points
}

/// A random network of linear layers and ReLU, some with a skip connection, with short dyadic weights.
pub fn network(random: &mut Random, inputs: usize, layers: usize) -> Graph {
    let mut graph = Graph::new(Element::F64);
    let mut last = graph.add_input("x", &[inputs]);
    for layer in 0..layers {
        let n = graph.nodes[last].len();
        let m = if layer + 1 == layers { 2 } else { 3 };
        last = dense(&mut graph, random, last, n, m);
        if layer + 1 < layers {
            let relu = graph.add("relu", Operation::Scalar(Box::new(Relu)), &[last], &[m]).expect("fits");
            last = match random.bits() % 3 {
                0 => {
                    let sum =
                        Sum::new("Add", vec![(Spread::same(m), false), (Spread::same(m), random.bits().is_multiple_of(2))]).expect("fits");
                    graph.add("sum", Operation::Affine(Box::new(sum)), &[relu, last], &[m]).expect("fits")
                }
                _ => relu,
            };
        }
    }
    graph.outputs.push(last);
    graph
}

fn dense(graph: &mut Graph, random: &mut Random, operand: NodeId, n: usize, m: usize) -> NodeId {
    let mut short = || ((random.bits() % 17) as f64 - 8.0) / 4.0;
    let weights = Numbers::F64((0..n * m).map(|_| short()).collect());
    let bias = Numbers::F64((0..m).map(|_| short()).collect());
    let op = Dense::new("Gemm", n, m, weights, Some(bias)).expect("fits");
    graph.add("dense", Operation::Affine(Box::new(op)), &[operand], &[m]).expect("fits")
}

/// A random box with short decimal ends.
pub fn domain(random: &mut Random, inputs: usize) -> Vec<(Decimal, Decimal)> {
    let tenth = Decimal::parse(b"0.1").expect("a number");
    let side = |_| {
        let low = (random.bits() % 21) as i64 - 10;
        let width = (random.bits() % 12) as i64;
        (&Decimal::from(low) * &tenth, &Decimal::from(low + width) * &tenth)
    };
    (0..inputs).map(side).collect()
}
