//! Random proofs and witnesses.

use checker::certificate::{Kind, write_varint};
use checker::integer::Shown;

use super::Random;
use super::reference::{Problem, random_problem};
use super::trees::{Multipliers, Place, State, Tightening, Tree, before, excludes, write_signed};

/// A proof of all classes.
struct Proof {
    shared: Vec<Tightening>,
    /// By class, the label's left out.
    trees: Vec<(usize, Tree)>,
}

impl Proof {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, self.shared.len() as u64);
        self.shared.iter().for_each(|by| by.write(&mut bytes));
        self.trees.iter().for_each(|(_, tree)| tree.write(&mut bytes));
        bytes
    }

    fn holds(&self, problem: &Problem) -> bool {
        let root = self.shared.iter().fold(State::root(problem), |state, by| state.tightened(problem, by));
        let last = &problem.layers[problem.layers.len() - 1];
        let levels = (last.low + problem.margin, last.high + problem.margin);
        self.trees.iter().all(|(class, tree)| excludes(problem, State { levels, ..root.clone() }, *class, tree))
    }
}

/// Multipliers of the first layers: about those of a linear network, or none, or any.
fn random_multipliers(random: &mut Random, problem: &Problem, layers: usize, mut objective: Vec<i64>) -> Multipliers {
    let mut multipliers = Vec::new();
    for layer in problem.layers[..layers].iter().rev() {
        let mut one = |o: usize, c: i64| match random.below(5) {
            0 => random.around(6),
            1 => 0,
            _ => (c * layer.multipliers[if layer.multipliers.len() == 1 { 0 } else { o }]) >> layer.shift,
        };
        let lambda: Vec<i64> = objective.iter().enumerate().map(|(o, c)| one(o, *c)).collect();
        objective = before(layer, &lambda);
        multipliers.insert(0, lambda);
    }
    multipliers
}

fn random_tightening(random: &mut Random, problem: &Problem) -> Tightening {
    let layer = random.below(problem.layers.len() as i64 - 1) as usize;
    let neuron = random.below(problem.layers[layer].bias.len() as i64) as usize;
    let (high, unit) = (random.below(2) == 0, 1 + random.below(4));
    let objective = problem.layers[layer].weights[neuron].iter().map(|w| w * if high { unit } else { -unit }).collect();
    Tightening { high, layer, neuron, unit, multipliers: random_multipliers(random, problem, layer, objective) }
}

fn random_split(random: &mut Random, problem: &Problem, class: usize, deep: usize) -> Tree {
    let (last, hidden) = (&problem.layers[problem.layers.len() - 1], problem.layers.len() as i64 - 1);
    let (at, last) = match random.below(3) {
        0 if hidden > 0 => {
            let layer = random.below(hidden) as usize;
            (Place::Hidden(layer, random.below(problem.layers[layer].bias.len() as i64) as usize), random.around(12))
        }
        1 => (Place::Levels, last.low + random.below(last.high - last.low + 3)),
        _ => {
            let i = random.below(problem.input.len() as i64) as usize;
            (Place::Input(i), problem.input[i].0 + random.below(5) - 1)
        }
    };
    let mut half = || Box::new(random_tree(random, problem, class, deep - 1));
    let (below, above) = (half(), half());
    Tree::Split { at, last, upper_first: random.below(2) == 0, below, above }
}

fn random_tree(random: &mut Random, problem: &Problem, class: usize, deep: usize) -> Tree {
    match random.below(20) {
        0..9 if deep > 0 => random_split(random, problem, class, deep),
        9..15 if deep > 0 && problem.layers.len() > 1 => {
            Tree::Tighten(random_tightening(random, problem), Box::new(random_tree(random, problem, class, deep - 1)))
        }
        15 => Tree::Nothing,
        16 if random.below(5) == 0 => Tree::Open,
        _ => {
            let (rise, cap) = (random.below(4), random.below(4));
            let last = &problem.layers[problem.layers.len() - 1];
            let rows = last.weights[class].iter().zip(&last.weights[problem.label]);
            let objective = rows.map(|(t, y)| rise * t - cap * y).collect();
            Tree::Leaf { rise, cap, multipliers: random_multipliers(random, problem, problem.layers.len() - 1, objective) }
        }
    }
}

fn random_proof(random: &mut Random, problem: &Problem) -> Proof {
    let count = if problem.layers.len() > 1 { random.below(3) * random.below(2) } else { 0 };
    let shared = (0..count).map(|_| random_tightening(random, problem)).collect();
    let classes = (0..problem.layers[problem.layers.len() - 1].bias.len()).filter(|c| *c != problem.label);
    let trees = classes.map(|class| (class, random_tree(random, problem, class, 4))).collect();
    Proof { shared, trees }
}

/// The problem with the label's last bias such that the proof just holds, and with one less; nothing if there is none.
fn at_the_border(problem: &Problem, proof: &Proof) -> Option<[Problem; 2]> {
    let with = |bias: i64| {
        let mut problem = problem.clone();
        let last = problem.layers.len() - 1;
        problem.layers[last].bias[problem.label] = bias;
        problem
    };
    let (mut low, mut high) = (-90, 90);
    if proof.holds(&with(low)) || !proof.holds(&with(high)) {
        return None;
    }
    while high - low > 1 {
        let middle = (low + high).div_euclid(2);
        if proof.holds(&with(middle)) { high = middle } else { low = middle }
    }
    Some([with(low), with(high)])
}

/// What is accepted is what counting shows, to the last unit of a bias, and holds for every input.
#[test]
fn proofs_hold_exactly_as_counting_says() {
    let (mut random, mut accepted, mut open, mut refused) = (Random(0x9e37_79b9_7f4a_7c15), [0; 3], 0, 0);
    for round in 0..4000 {
        let hidden = round % 3;
        let problem = random_problem(&mut random, hidden);
        let proof = random_proof(&mut random, &problem);
        let shares: Vec<f64> = proof.trees.iter().map(|(_, tree)| tree.open_share()).collect();
        let partial = shares.iter().any(|share| *share > 0.0);
        for problem in at_the_border(&problem, &proof).into_iter().flatten() {
            let said = problem.checked(Kind::IntegerProof, partial, &proof.bytes());
            assert_eq!(said.is_ok(), proof.holds(&problem), "{said:?}: {problem:?} {:?} {:?}", proof.shared, proof.trees);
            match said {
                Ok(Shown::Robust(_)) => {
                    assert!(!partial && problem.points().iter().all(|x| problem.keeps_label(x)), "{problem:?}");
                    accepted[hidden] += 1;
                }
                Ok(Shown::Vulnerable { .. }) => panic!("a proof is no witness"),
                Ok(Shown::Partly(said)) => {
                    assert!(partial);
                    assert_eq!(said.excluded, shares.iter().filter(|share| **share == 0.0).count());
                    assert_eq!(said.proved, 1.0 - shares.iter().sum::<f64>() / shares.len() as f64);
                    open += 1;
                    let whole = problem.checked(Kind::IntegerProof, false, &proof.bytes());
                    assert!(whole.unwrap_err().contains("open"));
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted.iter().all(|n| *n > 200) && open > 50 && refused > 1000, "{accepted:?} {open} {refused}");
}

/// A witness counts exactly if it lies in the box and has another class.
#[test]
fn witnesses_count_exactly_as_the_formula_says() {
    let (mut random, mut accepted, mut refused) = (Random(0x1234_5678_9abc_def1), 0, 0);
    for round in 0..300 {
        let problem = Problem { margin: 0, ..random_problem(&mut random, round % 3) };
        for x in problem.points() {
            let outputs = problem.outputs(&x);
            let class = (0..outputs.len()).find(|o| outputs.iter().all(|other| *other <= outputs[*o])).unwrap();
            let mut bytes = Vec::new();
            x.iter().for_each(|&x| write_signed(&mut bytes, x));
            let expected = (class != problem.label).then_some(Shown::Vulnerable { input: x, class });
            accepted += usize::from(expected.is_some());
            refused += usize::from(expected.is_none());
            assert_eq!(problem.checked(Kind::IntegerWitness, false, &bytes).ok(), expected, "{problem:?}");
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} {refused}");
}
