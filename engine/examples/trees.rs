//! Tries settings of row trees and of objectives' trees on one query, without attacks:
//! `trees MODEL QUERY [rows=400] [steps=3] [rate=0.1] [beta=1] [decay=0.95] [hope=0.3] [batch=16] [root=20] [gain=0] [share=1] [order=worst|newest]
//! [score=intercept|gap] [nodes=20000]`. Prints unstable neurons per layer, nodes and open disjuncts, and CPU seconds of the process.
use std::sync::Arc;

use engine::bounds::chain::{Objective, compile};
use engine::bounds::neurons::{Effort, Forest, Goal, GraphRows, Layers, Leaf, Order, Relaxed, Score, Settings};
use engine::bounds::{Deployed, Network, Plan, Relaxation};
use engine::graph::Element;
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::input::{load_network, read_bytes};
use engine::ops::Ranges;
use engine::query::Constraint;

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(11)).and_then(|t| t.parse::<f64>().ok());
    ticks.unwrap_or(f64::NAN) / 100.0
}

fn objective(constraint: &Constraint, inputs: usize, outputs: usize) -> Objective<f32> {
    let mut row = vec![0.0; outputs];
    constraint.terms.iter().filter(|t| t.0 >= inputs).for_each(|(i, c)| row[i - inputs] = c.to_f32());
    Objective { outputs: row, constant: constraint.constant.to_f64_up(), strict: constraint.strict, ..Objective::default() }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let text = |name: &str| args.iter().find_map(|a| a.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str, usual: f64| text(name).and_then(|v| v.parse().ok()).unwrap_or(usual);
    let graph = load_network(args[1].as_ref())?;
    let query = read_query(&read_bytes(args[2].as_ref())?, &ParseOptions::default())?;
    let case = &query.cases[0];
    let region = Ranges {
        low: case.region.ranges.iter().map(|r| r.low.to_f64_down()).collect(),
        high: case.region.ranges.iter().map(|r| r.high.to_f64_up()).collect(),
    };
    let mut rows = Settings { steps: number("steps", 3.0) as u32, root_steps: number("root", 20.0) as u32, ..Settings::rows() };
    rows.step.rate = number("rate", 0.1);
    rows.step.beta_rate = number("beta", 1.0);
    rows.step.decay = number("decay", 0.95);
    rows.hope = number("hope", 0.3);
    rows.least_gain = number("gain", 0.0);
    rows.batch = number("batch", 16.0) as usize;
    rows.score = if text("score") == Some("gap") { Score::Gap } else { Score::Intercept };
    let order = if text("order") == Some("worst") { Order::Worst } else { Order::Newest };
    let objectives = Settings { steps: number("leaf", 20.0) as u32, order, ..rows };
    let network = Network::new(&graph, Deployed::evaluated_in(Element::F32));
    let stop = || false;
    let chain = compile::<f32>(&graph);
    let mut layers: Box<dyn Relaxed<f32>> = match chain.as_ref().and_then(|c| Layers::new(c, &region, network.deployed)) {
        Some(layers) => Box::new(layers),
        None => {
            let relaxation = Relaxation::planned(&network, &region, Plan { steps: 20, ..Plan::crown(&stop) });
            Box::new(GraphRows::new(relaxation).ok_or("a graph of affine operators and ReLUs")?)
        }
    };
    let before = cpu_seconds();
    let share = number("share", 1.0);
    for nodes in [1, number("rows", 400.0) as u64] {
        if nodes > 1 && share < 1.0 {
            let goals: Vec<Objective<f32>> =
                case.disjuncts.iter().map(|d| objective(&d[0], graph.input_len(), graph.output_len())).collect();
            layers.aim(&goals.iter().collect::<Vec<_>>(), share);
        }
        layers.tighten(Effort { nodes, settings: rows, threads: 1, memory: 2 << 30 }, None, &stop);
    }
    let tightened = cpu_seconds();
    let goal = |d: &Vec<Constraint>| Goal {
        start: Arc::new(layers.start(&objective(&d[0], graph.input_len(), graph.output_len()))),
        leaves: vec![Leaf::root()],
        budget: number("nodes", 20_000.0) as u64,
        strict: d[0].strict,
        unless: None,
    };
    let endings = Forest::new(layers.program(), objectives).grow(case.disjuncts.iter().map(goal).collect(), &stop);
    let open = endings.iter().filter(|e| !e.open.is_empty() || !e.stuck.is_empty()).count();
    let worst = endings.iter().map(|e| e.bound).fold(f64::NEG_INFINITY, f64::max);
    println!(
        "unstable {:?} rows {:.2} s, open {open} of {}, worst {worst:.4}, nodes {}, trees {:.2} s",
        layers.unstable(),
        tightened - before,
        endings.len(),
        endings.iter().map(|e| e.nodes).sum::<u64>(),
        cpu_seconds() - tightened
    );
    Ok(())
}
