//! Proof trees, their bytes, and whether they prove what they should: by the rules of docs/certificate.md ("Integer proofs"), with every
//! maximum over accumulators taken by counting through all of them.

use checker::certificate::write_varint;

use super::reference::{Layer, Problem};

type Range = (i64, i64);
/// Multipliers, layer by layer.
pub type Multipliers = Vec<Vec<i64>>;

#[derive(Clone, Debug)]
pub enum Tree {
    Nothing,
    Open,
    Leaf {
        rise: i64,
        cap: i64,
        multipliers: Multipliers,
    },
    /// Where, and the last number of the lower half; whether the upper half comes first in the file.
    Split {
        at: Place,
        last: i64,
        upper_first: bool,
        below: Box<Tree>,
        above: Box<Tree>,
    },
    Tighten(Tightening, Box<Tree>),
}

#[derive(Clone, Copy, Debug)]
pub enum Place {
    Hidden(usize, usize),
    Input(usize),
    Levels,
}

#[derive(Clone, Debug)]
pub struct Tightening {
    /// Whether the greatest, not the least, accumulator is bounded.
    pub high: bool,
    pub layer: usize,
    pub neuron: usize,
    pub unit: i64,
    pub multipliers: Multipliers,
}

#[derive(Clone)]
pub struct State {
    pub input: Vec<Range>,
    pub accumulators: Vec<Vec<Range>>,
    pub levels: Range,
}

/// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
pub fn write_signed(bytes: &mut Vec<u8>, x: i64) {
    write_varint(bytes, if x < 0 { (-2 * x - 1) as u64 } else { 2 * x as u64 });
}

fn write_multipliers(bytes: &mut Vec<u8>, multipliers: &Multipliers) {
    multipliers.iter().flatten().for_each(|&m| write_signed(bytes, m));
}

impl Tightening {
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(if self.high { 8 } else { 9 });
        [self.layer as u64, self.neuron as u64, self.unit as u64].iter().for_each(|&x| write_varint(bytes, x));
        write_multipliers(bytes, &self.multipliers);
    }
}

impl Tree {
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Tree::Nothing => bytes.push(0),
            Tree::Open => bytes.push(10),
            Tree::Leaf { rise, cap, multipliers } => {
                bytes.push(1);
                [*rise as u64, *cap as u64].iter().for_each(|&x| write_varint(bytes, x));
                write_multipliers(bytes, multipliers);
            }
            Tree::Split { at, last, upper_first, below, above } => {
                let (kind, indices) = match *at {
                    Place::Hidden(layer, neuron) => (2, vec![layer, neuron]),
                    Place::Input(i) => (4, vec![i]),
                    Place::Levels => (6, vec![]),
                };
                bytes.push(kind + u8::from(*upper_first));
                indices.iter().for_each(|&i| write_varint(bytes, i as u64));
                write_signed(bytes, *last);
                let halves = if *upper_first { [above, below] } else { [below, above] };
                halves.iter().for_each(|half| half.write(bytes));
            }
            Tree::Tighten(tightening, rest) => {
                tightening.write(bytes);
                rest.write(bytes);
            }
        }
    }

    /// The share that open leaves make up, by halves.
    pub fn open_share(&self) -> f64 {
        match self {
            Tree::Open => 1.0,
            Tree::Nothing | Tree::Leaf { .. } => 0.0,
            Tree::Split { below, above, .. } => 0.5 * (below.open_share() + above.open_share()),
            Tree::Tighten(_, rest) => rest.open_share(),
        }
    }
}

fn empty(range: &Range) -> bool {
    range.0 > range.1
}

/// The greatest of `c s(a) - lambda a` for a in the range.
fn greatest(layer: &Layer, output: usize, c: i64, lambda: i64, range: Range) -> i64 {
    (range.0..=range.1).map(|a| c * layer.value(output, a) - lambda * a).max().unwrap()
}

impl State {
    pub fn root(problem: &Problem) -> State {
        let unknown = |layer: &Layer| vec![(-1000, 1000); layer.bias.len()];
        let accumulators = problem.layers.iter().map(unknown).collect();
        State { input: problem.input.clone(), accumulators, levels: (0, 0) }.narrowed(problem)
    }

    pub fn is_empty(&self) -> bool {
        self.input.iter().chain(self.accumulators.iter().flatten()).any(empty)
    }

    /// Every accumulator's range met with what the ranges before it imply.
    fn narrowed(mut self, problem: &Problem) -> State {
        let mut values = self.input.clone();
        for (layer, ranges) in problem.layers.iter().zip(&mut self.accumulators) {
            if values.iter().any(empty) {
                break;
            }
            for (o, range) in ranges.iter_mut().enumerate() {
                let ends = |(w, v): (&i64, &Range)| (w * v.0, w * v.1);
                let ends: Vec<Range> = layer.weights[o].iter().zip(&values).map(ends).collect();
                let low = layer.bias[o] + ends.iter().map(|e| e.0.min(e.1)).sum::<i64>();
                let high = layer.bias[o] + ends.iter().map(|e| e.0.max(e.1)).sum::<i64>();
                *range = (range.0.max(low), range.1.min(high));
            }
            if ranges.iter().any(empty) {
                break;
            }
            values = ranges.iter().enumerate().map(|(o, r)| (layer.value(o, r.0), layer.value(o, r.1))).collect();
        }
        self
    }

    /// For every level that is possible: the least accumulator of the class that reaches it, and the greatest of the label that stays below.
    pub fn levels(&self, problem: &Problem, class: usize) -> Vec<Range> {
        let (last, label) = (&problem.layers[problem.layers.len() - 1], problem.label);
        let ranges = &self.accumulators[problem.layers.len() - 1];
        let ends = |k: i64| {
            let rise = (ranges[class].0..=ranges[class].1).find(|&a| last.value(class, a) + problem.margin >= k)?;
            // A tie goes to the one that comes first.
            let stays = |a: &i64| last.value(label, *a) <= if class < label { k } else { k - 1 };
            let cap = (ranges[label].0..=ranges[label].1).rev().find(stays)?;
            Some((rise, cap))
        };
        (self.levels.0..=self.levels.1).filter_map(ends).collect()
    }

    /// The Lagrangian bound of `objective . h` by the multipliers of the layers before.
    pub fn bound(&self, problem: &Problem, mut objective: Vec<i64>, multipliers: &Multipliers) -> i64 {
        let mut total = 0;
        for (k, lambda) in multipliers.iter().enumerate().rev() {
            let layer = &problem.layers[k];
            for j in 0..lambda.len() {
                total += lambda[j] * layer.bias[j] + greatest(layer, j, objective[j], lambda[j], self.accumulators[k][j]);
            }
            objective = before(layer, lambda);
        }
        total + objective.iter().zip(&self.input).map(|(c, r)| (c * r.0).max(c * r.1)).sum::<i64>()
    }

    pub fn tightened(mut self, problem: &Problem, by: &Tightening) -> State {
        if self.is_empty() {
            return self;
        }
        let layer = &problem.layers[by.layer];
        let scale = if by.high { by.unit } else { -by.unit };
        let objective = layer.weights[by.neuron].iter().map(|w| scale * w).collect();
        let most = (scale * layer.bias[by.neuron] + self.bound(problem, objective, &by.multipliers)).div_euclid(by.unit);
        let range = &mut self.accumulators[by.layer][by.neuron];
        *range = if by.high { (range.0, range.1.min(most)) } else { (range.0.max(-most), range.1) };
        self.narrowed(problem)
    }

    fn halves(self, problem: &Problem, at: Place, last: i64) -> (State, State) {
        let half = |upper: bool| {
            let mut state = self.clone();
            let range = match at {
                Place::Hidden(layer, neuron) => &mut state.accumulators[layer][neuron],
                Place::Input(i) => &mut state.input[i],
                Place::Levels => &mut state.levels,
            };
            *range = if upper { (range.0.max(last + 1), range.1) } else { (range.0, range.1.min(last)) };
            state.narrowed(problem)
        };
        (half(false), half(true))
    }
}

/// `W^T lambda`.
pub fn before(layer: &Layer, lambda: &[i64]) -> Vec<i64> {
    (0..layer.weights[0].len()).map(|i| (0..lambda.len()).map(|o| lambda[o] * layer.weights[o][i]).sum()).collect()
}

/// Whether the tree excludes the class, open leaves aside.
pub fn excludes(problem: &Problem, state: State, class: usize, tree: &Tree) -> bool {
    match tree {
        Tree::Open => true,
        Tree::Nothing => state.is_empty() || state.levels(problem, class).is_empty(),
        Tree::Leaf { rise, cap, multipliers } => {
            state.is_empty() || {
                let last = &problem.layers[problem.layers.len() - 1];
                let (t, y) = (&last.weights[class], &last.weights[problem.label]);
                let objective = t.iter().zip(y).map(|(t, y)| rise * t - cap * y).collect();
                let constant = rise * last.bias[class] - cap * last.bias[problem.label];
                let bound = constant + state.bound(problem, objective, multipliers);
                state.levels(problem, class).iter().all(|(r, c)| bound + cap * c - rise * r < 0)
            }
        }
        Tree::Tighten(by, rest) => excludes(problem, state.tightened(problem, by), class, rest),
        Tree::Split { at, last, below, above, .. } => {
            let (low, high) = state.halves(problem, *at, *last);
            excludes(problem, low, class, below) && excludes(problem, high, class, above)
        }
    }
}
