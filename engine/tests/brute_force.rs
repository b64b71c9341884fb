//! Tiny networks against all points of a lattice: what some point breaks is never proved, and a witness breaks it.
//!
//! Weights and points are short binary fractions, so every evaluation is exact, in real numbers and in float32 alike, and
//! thresholds are often met with margin exactly zero.

use std::time::{Duration, Instant};

use checker::Semantics;
use engine::graph::{Element, Graph, NodeId};
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::numerics::{Decimal, Numbers};
use engine::ops::{Abs, Clip, Dense, LeakyRelu, Operation, Relu, Spread, Sum};
use engine::query::Query;
use engine::search::{Config, SemanticsChoice, Silent, Verdict, verify};

/// A small generator of pseudo-random numbers (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// A multiple of a quarter in `[-2, 2]`.
    fn quarter(&mut self) -> f32 {
        (self.below(17) as f32 - 8.0) / 4.0
    }
}

fn dense(graph: &mut Graph, from: NodeId, outputs: usize, random: &mut Random) -> NodeId {
    let inputs = graph.nodes[from].len();
    let weights = Numbers::F32((0..inputs * outputs).map(|_| random.quarter()).collect());
    let bias = Numbers::F32((0..outputs).map(|_| random.quarter()).collect());
    let op = Dense::new("Gemm", inputs, outputs, weights, Some(bias)).expect("sizes fit");
    graph.add("dense", Operation::Affine(Box::new(op)), &[from], &[1, outputs]).expect("sizes fit")
}

fn bend(graph: &mut Graph, from: NodeId, random: &mut Random) -> NodeId {
    let operation = match random.below(6) {
        0 => Operation::Scalar(Box::new(Abs)),
        1 => Operation::Scalar(Box::new(LeakyRelu::new(0.25).expect("a number"))),
        2 => Operation::Scalar(Box::new(Clip::new(-0.5, 2.0).expect("in order"))),
        _ => Operation::Scalar(Box::new(Relu)),
    };
    let shape = graph.nodes[from].shape.clone();
    graph.add("bend", operation, &[from], &shape).expect("sizes fit")
}

/// `x + f(x)` or `x - f(x)`.
fn residual(graph: &mut Graph, from: NodeId, random: &mut Random) -> NodeId {
    let shape = graph.nodes[from].shape.clone();
    let bent = bend(graph, from, random);
    let places = vec![(Spread::same(graph.nodes[from].len()), false), (Spread::same(graph.nodes[from].len()), random.below(2) == 0)];
    let sum = Sum::new("Add", places).expect("sizes fit");
    graph.add("residual", Operation::Affine(Box::new(sum)), &[from, bent], &shape).expect("sizes fit")
}

fn network(random: &mut Random) -> Graph {
    let mut graph = Graph::new(Element::F32);
    let mut top = graph.add_input("X", &[1, 1 + random.below(3) as usize]);
    graph.inputs = vec![top];
    for _ in 0..random.below(3) {
        let outputs = 1 + random.below(5) as usize;
        top = dense(&mut graph, top, outputs, random);
        top = bend(&mut graph, top, random);
        if random.below(4) == 0 {
            top = residual(&mut graph, top, random);
        }
    }
    let outputs = 1 + random.below(2) as usize;
    top = dense(&mut graph, top, outputs, random);
    graph.outputs = vec![top];
    graph
}

/// All points of the box whose coordinates are eighths of the way through, the corners first.
fn lattice(ranges: &[(f32, f32)]) -> Vec<Vec<f32>> {
    ranges.iter().fold(vec![vec![]], |points, &(low, high)| {
        let values = [8, 0, 1, 2, 3, 4, 5, 6, 7].map(|k| low + (high - low) * k as f32 / 8.0);
        points.iter().flat_map(|p| values.map(|v| [&p[..], &[v]].concat())).collect()
    })
}

/// One conjunct: `sum c_j y_j >= t`, or `>`.
struct Atom {
    coefficients: Vec<f64>,
    threshold: f64,
    strict: bool,
}

impl Atom {
    /// Aimed at the greatest value over `outputs`, exactly or nearly.
    fn aimed(outputs: &[Vec<f64>], random: &mut Random) -> Atom {
        let coefficients: Vec<f64> = outputs[0].iter().map(|_| random.below(4) as f64 - 1.5).collect();
        let value = |y: &Vec<f64>| y.iter().zip(&coefficients).map(|(y, c)| y * c).sum::<f64>();
        let most = outputs.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        let threshold = most + [0.0, 0.0, -0.25, 0.0009765625, 0.25, 2.0][random.below(6) as usize];
        Atom { coefficients, threshold, strict: random.below(4) == 0 }
    }

    fn holds(&self, y: &[f64]) -> bool {
        let value: f64 = y.iter().zip(&self.coefficients).map(|(y, c)| y * c).sum();
        if self.strict { value > self.threshold } else { value >= self.threshold }
    }

    fn text(&self) -> String {
        let terms: Vec<String> = self.coefficients.iter().enumerate().map(|(j, c)| format!("(* {c} Y_{j})")).collect();
        format!("({} (+ {} 0) {})", if self.strict { ">" } else { ">=" }, terms.join(" "), self.threshold)
    }
}

/// A network, a query about it, and what the points of the lattice say.
struct Problem {
    graph: Graph,
    disjuncts: Vec<Vec<Atom>>,
    text: String,
    /// Some point of the lattice satisfies a disjunct.
    broken: bool,
}

impl Problem {
    fn new(random: &mut Random) -> Problem {
        let graph = network(random);
        let ends = |random: &mut Random| (random.quarter(), random.quarter());
        let ranges: Vec<(f32, f32)> = (0..graph.input_len()).map(|_| ends(random)).map(|(a, b)| (a.min(b), a.max(b))).collect();
        let exact = |x: &Vec<f32>| graph.output_f64(&x.iter().map(|&x| x.into()).collect::<Vec<f64>>());
        let outputs: Vec<Vec<f64>> = lattice(&ranges).iter().map(exact).collect();
        let conjunction = |random: &mut Random| (0..=random.below(2)).map(|_| Atom::aimed(&outputs, random)).collect();
        let disjuncts: Vec<Vec<Atom>> = (0..=random.below(2)).map(|_| conjunction(random)).collect();
        let text = question(&ranges, graph.output_len(), &disjuncts);
        let mut problem = Problem { graph, disjuncts, text, broken: false };
        problem.broken = outputs.iter().any(|y| problem.is_broken_by(y));
        problem
    }

    fn is_broken_by(&self, y: &[f64]) -> bool {
        self.disjuncts.iter().any(|atoms| atoms.iter().all(|atom| atom.holds(y)))
    }

    fn decide(&self, query: &Query, semantics: Semantics, attack: bool) -> Verdict {
        let (started, timeout) = (Instant::now(), Some(Duration::from_millis(200)));
        let semantics = SemanticsChoice::Only(semantics);
        let config = Config { semantics, started, timeout, attack, threads: 1, ..Config::default() };
        verify(&self.graph, query, &config, &Silent).verdict
    }

    /// Fails if the verdict contradicts the lattice, or if its witness is none.
    fn check(&self, query: &Query, verdict: &Verdict) {
        match verdict {
            Verdict::Holds { .. } => assert!(!self.broken, "a point of the lattice breaks it: {}\n{:?}", self.text, self.graph),
            Verdict::Fails(witness) => {
                assert!(query.cases.iter().any(|case| case.contains(&witness.input)), "outside: {}", self.text);
                let point: Vec<f64> = witness.input.iter().map(Decimal::to_f64).collect();
                // At other points evaluation rounds, and says nothing about the last bit.
                let exact = point.iter().all(|x| (x * 1024.0).fract() == 0.0);
                assert!(!exact || self.is_broken_by(&self.graph.output_f64(&point)), "{point:?} does not break {}", self.text);
            }
            Verdict::Unknown { .. } => {}
        }
    }
}

fn question(ranges: &[(f32, f32)], outputs: usize, disjuncts: &[Vec<Atom>]) -> String {
    let inputs = (0..ranges.len()).map(|i| format!("(declare-const X_{i} Real)"));
    let declared = inputs.chain((0..outputs).map(|j| format!("(declare-const Y_{j} Real)")));
    let bounds = ranges.iter().enumerate().map(|(i, (low, high))| format!("(assert (and (>= X_{i} {low}) (<= X_{i} {high})))"));
    let atoms = |atoms: &Vec<Atom>| atoms.iter().map(Atom::text).collect::<Vec<_>>().join(" ");
    let cases: Vec<String> = disjuncts.iter().map(|d| format!("(and {})", atoms(d))).collect();
    let lines: Vec<String> = declared.chain(bounds).chain([format!("(assert (or {}))", cases.join(" "))]).collect();
    lines.join("\n")
}

#[test]
fn verdicts_agree_with_all_points_of_a_lattice() {
    let mut random = Random(20);
    let (mut proved, mut found, mut breakable) = (0, 0, 0);
    for _ in 0..150 {
        let problem = Problem::new(&mut random);
        let query = read_query(problem.text.as_bytes(), &ParseOptions::default()).expect("a good query");
        for semantics in [Semantics::Real, Semantics::Float32, Semantics::Both] {
            problem.check(&query, &problem.decide(&query, semantics, false));
            let verdict = problem.decide(&query, semantics, true);
            problem.check(&query, &verdict);
            proved += matches!(verdict, Verdict::Holds { .. }) as usize;
            breakable += problem.broken as usize;
            found += (problem.broken && matches!(verdict, Verdict::Fails(_))) as usize;
        }
    }
    eprintln!("{proved} proofs; counterexamples found for {found} of {breakable} questions that have one on the lattice");
    assert!(proved > 100 && found * 10 > breakable * 9, "{proved} proofs, {found} of {breakable} found");
}
