//! The laws.

use std::sync::Arc;

use dashu::rational::RBig;
use engine::bounds::Deployed;
use engine::bounds::chain::Objectives;
use engine::bounds::exact::{Aid, Ledger, Multipliers, Program, Scratch, Settled, Skeleton, State};
use engine::graph::{Element, Graph};
use engine::numerics::Random;
use engine::ops::Ranges;
use engine::search::{Finish, Phases};

use super::networks::{Style, adversary, below, exact, holds, network, objectives, pick, point, region, signed};

const STYLES: [Style; 3] = [Style::Integers, Style::Plain, Style::Wild];

struct Setting {
    graph: Graph,
    region: Ranges,
    objectives: Objectives<f64>,
    deployed: Deployed,
    program: Program,
}

/// A random network with a box and goals; none where numbers are beyond the program.
fn setting(case: usize, random: &mut Random) -> Option<Setting> {
    let graph = network(STYLES[case % 3], random);
    let region = region(graph.input_len(), random);
    let objectives = objectives(graph.output_len(), random);
    let deployed = if case.is_multiple_of(2) { Deployed::REAL } else { Deployed::evaluated_in(Element::F32) };
    let program = Program::new(&Skeleton::new(&graph)?, &region, deployed, &objectives, None)?;
    Some(Setting { graph, region, objectives, deployed, program })
}

/// The root with some hinges on the side where the trace has them, so that both signs of every multiplier matter.
fn decided(program: &Program, entries: &[RBig], random: &mut Random) -> State {
    let mut state = program.root.clone();
    for i in program.inputs..state.low.len() {
        if state.is_open(i) && below(2, random) == 0 {
            if entries[i] >= RBig::ZERO { state.low[i] = 0.0 } else { state.high[i] = 0.0 }
        }
    }
    state
}

fn hostile(random: &mut Random) -> f64 {
    pick(&[0.0, 0.0, 1e-300, 1e-9, 1.0, 1.0, 1e6], random) * signed(random)
}

#[test]
fn rows_hold_what_the_network_computes() {
    let random = &mut Random::new(1);
    let mut seen = 0;
    for case in 0..600 {
        let Some(Setting { graph, region, objectives, deployed, program }) = setting(case, random) else { continue };
        for _ in 0..4 {
            let x: Vec<f64> = point(&region, random).iter().map(|&x| x as f32 as f64).collect();
            let single: Vec<f64> = graph.output_f32(&x.iter().map(|&x| x as f32).collect::<Vec<_>>()).iter().map(|&y| y as f64).collect();
            if deployed.unit == 0.0 || !single.iter().all(|y| y.is_finite()) || !inside(&x, &region) {
                continue;
            }
            seen += 1;
            let mut ledger = Ledger::default();
            for (g, row) in objectives.rows.iter().enumerate() {
                let value = row.outputs.iter().zip(&single).fold(exact(row.constant), |sum, (&c, &y)| sum + exact(c) * exact(y));
                program.bound_goal(&program.root, g, &mut ledger);
                assert!(!ledger.bound.is_finite() || value <= exact(ledger.bound), "case {case}: binary32 exceeds {}", ledger.bound);
            }
        }
    }
    assert!(seen > 300, "only {seen} points");
}

fn inside(x: &[f64], region: &Ranges) -> bool {
    x.iter().zip(region.low.iter().zip(&region.high)).all(|(x, (l, h))| l <= x && x <= h)
}

#[test]
fn any_multipliers_and_cuts_bound_every_network() {
    let random = &mut Random::new(2);
    let mut finite = 0;
    for case in 0..900 {
        let Some(Setting { region, program, .. }) = setting(case, random) else { continue };
        let trace = adversary(&program, &point(&region, random), random);
        let state = decided(&program, &trace.entries, random);
        let z: Vec<f64> = program.size.iter().map(|&m| m * signed(random)).collect();
        let cuts: Vec<_> = (0..program.hinges.len()).filter_map(|j| program.cut(&state, j, &z)).map(|c| (Arc::new(c.0), None)).collect();
        for (cut, _) in &cuts {
            let h = &trace.values[program.inputs + cut.hinge as usize];
            let right = cut.terms.iter().fold(exact(cut.bias), |sum, &(v, g)| sum + exact(g) * &trace.values[v as usize]);
            assert!(*h <= right, "case {case}: a cut is below the hinge");
        }
        let hinges = program.hinges.len();
        let multipliers = Multipliers {
            goals: (0..program.goals.len()).map(|g| (g, hostile(random).abs())).collect(),
            slope: (0..hinges).map(|_| if below(3, random) == 0 { f64::NAN } else { hostile(random) }).collect(),
            add: (0..hinges).map(|_| hostile(random)).collect(),
            cuts: (0..cuts.len()).map(|k| (k as u32, hostile(random).abs())).collect(),
        };
        let mut ledger = Ledger::default();
        program.bound(&state, &multipliers, &cuts, &mut ledger);
        if !ledger.bound.is_finite() {
            continue;
        }
        finite += 1;
        let value = multipliers.goals.iter().fold(RBig::ZERO, |sum, &(g, theta)| sum + exact(theta) * &trace.goals[g]);
        assert!(value <= exact(ledger.bound), "case {case}: above the bound {}", ledger.bound);
        // Whatever ranges the bound leaves hold the trace if it satisfies the goals.
        if value >= RBig::ZERO {
            let mut left = state.clone();
            let possible = program.tighten(&mut left, &ledger, &mut Vec::new());
            assert!(possible && holds(&left, &trace), "case {case}: a counterexample is cut away");
        }
    }
    assert!(finite > 300, "only {finite} bounds");
}

/// Moves every goal's constant so that the trace satisfies it with margin exactly zero, or a little more.
fn aim(setting: &mut Setting, random: &mut Random) -> Option<Vec<f64>> {
    let x = point(&setting.region, random);
    let trace = adversary(&setting.program, &x, random);
    for (g, row) in setting.objectives.rows.iter_mut().enumerate() {
        let goal = trace.goals[g].to_f64().value();
        row.constant -= goal + pick(&[0.0, 0.0, -1e-6, -0.25], random);
        if !row.constant.is_finite() {
            return None;
        }
    }
    setting.program = Program::new(&Skeleton::new(&setting.graph)?, &setting.region, setting.deployed, &setting.objectives, None)?;
    Some(x)
}

#[test]
fn counterexamples_are_followed_down_every_split() {
    let random = &mut Random::new(3);
    let (mut followed, mut exactly_zero) = (0, 0);
    for case in 0..1500 {
        let Some(mut setting) = setting(case, random) else { continue };
        let Some(x) = aim(&mut setting, random) else { continue };
        let program = &setting.program;
        let trace = adversary(program, &x, random);
        let met = |g: usize| trace.goals[g] > RBig::ZERO || (trace.goals[g] == RBig::ZERO && !program.needs[g].strict);
        if !(0..program.goals.len()).all(met) {
            continue;
        }
        followed += 1;
        exactly_zero += trace.goals.iter().any(|g| g.is_zero()) as usize;
        let (mut state, mut aid, mut scratch) = (program.root.clone(), Aid::default(), Scratch::default());
        let mut changed: Option<Vec<u32>> = None;
        loop {
            let settled = program.settle(&mut state, 0, changed.as_deref(), &mut scratch);
            let Settled::Open { bound } = settled else { panic!("case {case}: {settled:?}") };
            assert!(holds(&state, &trace), "case {case}: consequences lose the counterexample");
            let settled = program.settle_linear(&mut state, 0, &mut aid, 3, bound, &mut scratch);
            assert!(matches!(settled, Settled::Open { .. }), "case {case}: {settled:?}");
            assert!(holds(&state, &trace), "case {case}: the linear program loses the counterexample");
            let Some(i) = (program.inputs..state.low.len()).find(|&i| state.is_open(i)) else { break };
            if trace.entries[i] >= RBig::ZERO {
                state.low[i] = 0.0
            } else {
                state.high[i] = 0.0
            }
            changed = Some(vec![i as u32]);
        }
    }
    assert!(followed > 400 && exactly_zero > 15, "{followed} followed, {exactly_zero} met exactly");
}

/// What [`Phases::finish`] says agrees with the split of every hinge, and its witnesses are points of the box.
fn finish(program: &Program, proved: bool) {
    let phases = Phases { program, check: &|x| x.len() == program.inputs, look: true, log: None };
    let state = program.root.clone();
    match phases.finish(state, 0, 500, &mut Scratch::default()) {
        Finish::Excluded { margin } => assert!(proved && margin >= 0.0, "finished what splits leave open"),
        Finish::Witness(x) => {
            assert!(!proved && (0..x.len()).all(|d| program.root.low[d] <= x[d] && x[d] <= program.root.high[d]));
        }
        Finish::Open { bound } => assert!(bound >= 0.0),
    }
}

/// True if splitting hinges excludes the disjunct.
fn prove(program: &Program, state: &State, aid: &Aid, scratch: &mut Scratch) -> bool {
    let (mut state, mut aid) = (state.clone(), aid.clone());
    let Settled::Open { bound } = program.settle(&mut state, 0, None, scratch) else { return true };
    let Settled::Open { .. } = program.settle_linear(&mut state, 0, &mut aid, 2, bound, scratch) else { return true };
    let Some(i) = (program.inputs..state.low.len()).find(|&i| state.is_open(i)) else { return false };
    let side = |active: bool| {
        let mut child = state.clone();
        if active {
            child.low[i] = 0.0
        } else {
            child.high[i] = 0.0
        }
        child
    };
    [side(false), side(true)].iter().all(|child| prove(program, child, &aid, scratch))
}

/// With all phases decided nothing is relaxed any more, so what is false by a margin is proved.
#[test]
fn what_no_point_satisfies_is_proved() {
    let random = &mut Random::new(4);
    let (mut asked, mut proved) = (0, 0);
    for case in 0..300 {
        let Some(mut setting) = setting(3 * case + 1, random) else { continue };
        // The greatest value of one goal over many points, and more than enough beyond it: proved; below it: never.
        setting.objectives.rows.truncate(1);
        setting.objectives.disjuncts = vec![vec![0]];
        let values = (0..200).map(|_| adversary(&setting.program, &point(&setting.region, random), random).goals[0].to_f64().value());
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        for (beyond, expected) in [(-1e-3, Some(false)), (0.5, None)] {
            setting.objectives.rows[0].constant -= most + beyond;
            let Some(skeleton) = Skeleton::new(&setting.graph) else { continue };
            let Some(program) = Program::new(&skeleton, &setting.region, setting.deployed, &setting.objectives, None) else { continue };
            let outcome = prove(&program, &program.root, &Aid::default(), &mut Scratch::default());
            finish(&program, outcome);
            assert!(expected.is_none_or(|e| e == outcome), "case {case}: proved what a point breaks");
            (asked, proved) = (asked + expected.is_none() as usize, proved + (expected.is_none() && outcome) as usize);
            setting.objectives.rows[0].constant += most + beyond;
        }
    }
    // Points miss the greatest value now and then.
    assert!(asked > 100 && proved * 10 > asked * 8, "{proved} of {asked}");
}
