//! Several hidden layers: multipliers above the first, and the weight of the two conditions, by a bundle method; those of the first
//! layer by its linear program, once per choice of the others.

use super::bounds::{Range, affine, requantised};
use super::bundle::Bundle;
use super::network::Network;
use super::problem::{Level, Part};
use super::query::Target;
use super::relax::{Bound, Effort, Relaxation, Warm};
use super::upper::{Led, chords};

/// The bundle goes on while it promises more than this share of the bound, and this.
const LEAST_SHARE: f64 = 0.02;
const LEAST: f64 = 1e-3;

/// What is bounded from above.
pub enum Goal<'a> {
    /// A linear function of a layer's values.
    Values(&'a [f64]),
    /// The two conditions of a target, weighted, at the worst of its levels.
    Target(Target<'a>, &'a [Level]),
}

/// The goal at one weight of its first condition.
pub struct Objective {
    /// Coefficients of the layer's values.
    pub coefficients: Vec<f64>,
    /// Added to them.
    pub constant: f64,
    /// The worst level.
    pub level: Option<Level>,
}

impl Goal<'_> {
    /// The goal at a weight.
    pub fn objective(&self, network: &Network, weight: f64) -> Objective {
        let (target, levels) = match self {
            Goal::Values(c) => return Objective { coefficients: c.to_vec(), constant: 0.0, level: None },
            Goal::Target(target, levels) => (target, levels),
        };
        let (last, other) = (network.last(), 1.0 - weight);
        let rows = last.row(target.class).iter().zip(last.row(target.label));
        let term = |l: &Level| other * l.cap as f64 - weight * l.rise as f64;
        let level = levels.iter().max_by(|a, b| term(a).total_cmp(&term(b)));
        let biases = weight * last.bias[target.class] as f64 - other * last.bias[target.label] as f64;
        Objective {
            coefficients: rows.map(|(&t, &y)| weight * f64::from(t) - other * f64::from(y)).collect(),
            constant: biases + level.map_or(0.0, term),
            level: level.copied(),
        }
    }

    /// By how much the two conditions of a level are met by these values.
    pub fn slacks(&self, network: &Network, level: Option<Level>, values: &[f64]) -> (f64, f64) {
        let (Goal::Target(target, _), Some(level)) = (self, level) else { return (0.0, 0.0) };
        let [class, label] = [target.class, target.label].map(|o| {
            let last = network.last();
            last.bias[o] as f64 + last.row(o).iter().zip(values).map(|(&w, h)| f64::from(w) * h).sum::<f64>()
        });
        (class - level.rise as f64, level.cap as f64 - label)
    }

    /// A length to measure the weight by, as ranges are for multipliers.
    fn length(&self, part: &Part) -> f64 {
        let Goal::Target(target, _) = self else { return 1.0 };
        let last = &part.accumulators[part.accumulators.len() - 1];
        [target.class, target.label].map(|o| (last[o].high - last[o].low) as f64 + 1.0).iter().sum()
    }
}

/// The variables of the bundle: the weight, then the multipliers of neurons above the first layer whose value is not constant, or whose
/// range is narrower than those below make it; each in units of one over its range's length, so that all slopes are alike.
struct Variables {
    neurons: Vec<(usize, usize)>,
    scales: Vec<f64>,
}

impl Variables {
    fn of(relaxation: &Relaxation, goal: &Goal, top: usize) -> Variables {
        let (model, part) = (relaxation.model, relaxation.part);
        let mut neurons = Vec::new();
        for k in 1..top {
            let below = requantised(&model.network.layers()[k - 1], &part.accumulators[k - 1]);
            let derived = affine(&model.network.layers()[k], &below);
            let matters = |&j: &usize| {
                let (steps, range) = (model.steps(k, j), part.accumulators[k][j]);
                range != derived[j] || steps.value(range.low) != steps.value(range.high)
            };
            neurons.extend((0..derived.len()).filter(matters).map(|j| (k, j)));
        }
        let length = |&(k, j): &(usize, usize)| (part.accumulators[k][j].high - part.accumulators[k][j].low) as f64 + 1.0;
        let scales = std::iter::once(goal.length(part)).chain(neurons.iter().map(length)).map(|l| 1.0 / l).collect();
        Variables { neurons, scales }
    }

    fn pack(&self, weight: f64, upper: &[Vec<f64>]) -> Vec<f64> {
        let values = std::iter::once(weight).chain(self.neurons.iter().map(|&(k, j)| upper[k - 1][j]));
        values.zip(&self.scales).map(|(v, s)| v / s).collect()
    }

    fn unpack(&self, point: &[f64], upper: &mut [Vec<f64>]) -> f64 {
        for ((&(k, j), z), s) in self.neurons.iter().zip(&point[1..]).zip(&self.scales[1..]) {
            upper[k - 1][j] = z * s;
        }
        (point[0] * self.scales[0]).clamp(0.0, 1.0)
    }

    fn gradient(&self, by_weight: f64, led: &Led) -> Vec<f64> {
        let slopes = std::iter::once(by_weight).chain(self.neurons.iter().map(|&(k, j)| led.slopes[k - 1][j]));
        slopes.zip(&self.scales).map(|(g, s)| g * s).collect()
    }
}

/// The bound at one choice of the variables.
struct Evaluated {
    bound: Bound,
    gradient: Vec<f64>,
}

/// The primal solution at one choice of the variables, to be averaged.
struct Primal {
    inputs: Vec<f64>,
    accumulators: Vec<Vec<f64>>,
    heights: Vec<Vec<f64>>,
}

impl Relaxation<'_> {
    /// The best bound within the effort, or one below `enough`, with an averaged primal solution; the weight is left in `warm`.
    pub fn descend(&self, goal: &Goal, top: usize, warm: &mut Warm, enough: f64, effort: Effort) -> Bound {
        let network = self.model.network;
        let variables = Variables::of(self, goal, top);
        if warm.upper.len() + 1 != top {
            warm.upper = chords(self.model, self.part, &goal.objective(network, warm.weight).coefficients, top);
        }
        // All other multipliers are zero.
        let mut upper: Vec<Vec<f64>> = warm.upper.iter().map(|l| vec![0.0; l.len()]).collect();
        let start = variables.pack(warm.weight, &warm.upper);
        let (mut best, mut centre) = (self.evaluate(goal, &variables, &start, &mut upper, warm, enough, effort), start.clone());
        let mut primals = vec![self.primal(&mut best.bound)];
        let infinite = |v: f64| [vec![if v < 0.0 { 0.0 } else { 1.0 / variables.scales[0] }], vec![v; variables.neurons.len()]].concat();
        let (low, high) = (infinite(f64::NEG_INFINITY), infinite(f64::INFINITY));
        let mut bundle = Bundle::new(low, high, start, best.bound.value, best.gradient.clone());
        for _ in 1..effort.rounds {
            let least = LEAST_SHARE * best.bound.value.max(0.0) + LEAST;
            let Some(point) = (if best.bound.value < enough { None } else { bundle.next(least) }) else { break };
            let mut found = self.evaluate(goal, &variables, &point, &mut upper, warm, enough, effort);
            let told = bundle.tell(&point, found.bound.value, found.gradient.clone());
            if let Some(index) = told.dropped {
                primals.remove(index);
            }
            primals.push(self.primal(&mut found.bound));
            if told.is_centre || found.bound.value < enough {
                (best, centre) = (found, point);
            }
        }
        warm.weight = variables.unpack(&centre, &mut upper);
        warm.upper = upper;
        best.bound.near.clone_from(&warm.near);
        self.average(&mut best.bound, &primals, bundle.weights());
        best.bound
    }

    #[expect(clippy::too_many_arguments)]
    fn evaluate(
        &self,
        goal: &Goal,
        variables: &Variables,
        point: &[f64],
        upper: &mut [Vec<f64>],
        warm: &mut Warm,
        enough: f64,
        effort: Effort,
    ) -> Evaluated {
        let weight = variables.unpack(point, upper);
        let objective = goal.objective(self.model.network, weight);
        let (mut bound, led) = self.once(&objective.coefficients, upper, warm, enough - objective.constant, effort.pivots);
        bound.value += objective.constant;
        bound.constant += objective.constant;
        let (rise, cap) = goal.slacks(self.model.network, objective.level, &bound.values);
        Evaluated { bound, gradient: variables.gradient(rise - cap, &led) }
    }

    /// Takes the primal solution out of a bound.
    fn primal(&self, bound: &mut Bound) -> Primal {
        let take = std::mem::take::<Vec<Vec<f64>>>;
        Primal { inputs: std::mem::take(&mut bound.inputs), accumulators: take(&mut bound.accumulators), heights: take(&mut bound.heights) }
    }

    /// The average of primal solutions, and by how much its relaxation is above the staircases.
    fn average(&self, bound: &mut Bound, primals: &[Primal], weights: impl Iterator<Item = f64>) {
        let used: Vec<(f64, &Primal)> = weights.zip(primals).filter(|(w, _)| *w > 0.0).collect();
        let mean = |of: &dyn Fn(&Primal) -> &Vec<f64>| {
            let mut sum = vec![0.0; of(&primals[0]).len()];
            used.iter().for_each(|(w, p)| sum.iter_mut().zip(of(p)).for_each(|(s, v)| *s += w * v));
            sum
        };
        let layers = primals[0].accumulators.len();
        bound.inputs = mean(&|p| &p.inputs);
        bound.accumulators = (0..layers).map(|k| mean(&|p| &p.accumulators[k])).collect();
        bound.heights = (0..layers).map(|k| mean(&|p| &p.heights[k])).collect();
        bound.values.clone_from(&bound.heights[layers - 1]);
        let gap = |k: usize, j: usize| {
            let (a, Range { low, high }) = (bound.accumulators[k][j], self.part.accumulators[k][j]);
            let exact = self.model.steps(k, j).value((a.round() as i64).clamp(low, high)) as f64;
            (bound.coefficients[k][j] * (bound.heights[k][j] - exact)).abs()
        };
        bound.gaps = (0..layers).map(|k| (0..bound.heights[k].len()).map(|j| gap(k, j)).collect()).collect();
    }
}
