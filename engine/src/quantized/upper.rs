//! The layers above the first: their share of the Lagrangian bound, and which way their multipliers should move.

use super::first_layer::concave;
use super::problem::{Model, Part};

/// What the layers above the first make of an objective.
pub struct Swept {
    /// Coefficients of the values of each layer, from the first to the objective's own.
    pub coefficients: Vec<Vec<f64>>,
    /// Maxima and biases of the layers above the first.
    pub constant: f64,
}

/// Where the primal solution leads above the first layer, by layer.
pub struct Led {
    /// Accumulators.
    pub accumulators: Vec<Vec<f64>>,
    /// Heights of the relaxations.
    pub heights: Vec<Vec<f64>>,
    /// By how much each relaxation is above its staircase.
    pub gaps: Vec<Vec<f64>>,
    /// The bound's slope by each multiplier.
    pub slopes: Vec<Vec<f64>>,
}

/// Multipliers in the slope of the longest edge of each hull, as in CROWN; of the layers above the first, below the objective.
pub fn chords(model: &Model, part: &Part, objective: &[f64], top: usize) -> Vec<Vec<f64>> {
    let mut upper = vec![Vec::new(); top.saturating_sub(1)];
    let mut c = objective.to_vec();
    for k in (1..top).rev() {
        let chord = |(j, c): (usize, &f64)| {
            let psi = concave(&part.hulls[k][j], *c);
            let length = |i: &usize| psi.places[i + 1] - psi.places[*i];
            let longest = (0..psi.slopes.len()).max_by(|a, b| length(a).total_cmp(&length(b)));
            longest.map_or(0.0, |i| psi.slopes[i])
        };
        upper[k - 1] = c.iter().enumerate().map(chord).collect();
        c = pulled_back(model, k, &upper[k - 1]);
    }
    upper
}

/// `W_k^T lambda`.
fn pulled_back(model: &Model, k: usize, lambda: &[f64]) -> Vec<f64> {
    let layer = &model.network.layers()[k];
    let mut c = vec![0.0; layer.inputs];
    for (j, l) in lambda.iter().enumerate().filter(|(_, l)| **l != 0.0) {
        c.iter_mut().zip(layer.row(j)).for_each(|(c, &w)| *c += l * f64::from(w));
    }
    c
}

/// The backward sweep through the layers above the first.
pub fn sweep(model: &Model, part: &Part, objective: &[f64], upper: &[Vec<f64>]) -> Swept {
    let mut coefficients = vec![objective.to_vec()];
    let mut constant = 0.0;
    for k in (1..=upper.len()).rev() {
        let (c, lambda) = (&coefficients[coefficients.len() - 1], &upper[k - 1]);
        for (j, &l) in lambda.iter().enumerate() {
            let hull = &part.hulls[k][j];
            let chain = if c[j] >= 0.0 { &hull.upper } else { &hull.lower };
            let crest = chain.iter().map(|&(a, h)| c[j] * h as f64 - l * a as f64).fold(f64::NEG_INFINITY, f64::max);
            constant += crest + l * model.network.layers()[k].bias[j] as f64;
        }
        coefficients.push(pulled_back(model, k, lambda));
    }
    coefficients.reverse();
    Swept { coefficients, constant }
}

/// The forward sweep from values of the first layer.
pub fn lead(model: &Model, part: &Part, swept: &Swept, upper: &[Vec<f64>], first: Vec<f64>) -> Led {
    let mut led = Led { accumulators: Vec::new(), gaps: Vec::new(), slopes: Vec::new(), heights: Vec::new() };
    let mut values = first;
    for (k, lambda) in upper.iter().enumerate().map(|(i, l)| (i + 1, l)) {
        let layer = &model.network.layers()[k];
        let mut next = Next::default();
        for j in 0..layer.outputs {
            let sum: f64 = layer.row(j).iter().zip(&values).map(|(&w, h)| f64::from(w) * h).sum();
            next.push(model, part, (k, j), sum + layer.bias[j] as f64, swept.coefficients[k][j], lambda[j]);
        }
        led.accumulators.push(next.accumulators);
        led.gaps.push(next.gaps);
        led.slopes.push(next.slopes);
        values.clone_from(&next.values);
        led.heights.push(next.values);
    }
    led
}

#[derive(Default)]
struct Next {
    accumulators: Vec<f64>,
    gaps: Vec<f64>,
    slopes: Vec<f64>,
    values: Vec<f64>,
}

impl Next {
    /// One neuron: the maximiser nearest to its accumulator, the height of the relaxation there, the slope of the bound.
    fn push(&mut self, model: &Model, part: &Part, (k, j): (usize, usize), a: f64, c: f64, lambda: f64) {
        let psi = concave(&part.hulls[k][j], c);
        let tie = 1e-7 * (1.0 + lambda.abs());
        let first = psi.slopes.partition_point(|&s| s > lambda + tie);
        let last = psi.slopes.partition_point(|&s| s >= lambda - tie);
        let best = a.clamp(psi.places[first], psi.places[last]);
        let height = psi.at(best);
        let range = part.accumulators[k][j];
        let exact = model.steps(k, j).value((best.round() as i64).clamp(range.low, range.high)) as f64;
        self.slopes.push(a - best);
        self.gaps.push((height - c * exact).max(0.0));
        self.values.push(if c == 0.0 { exact } else { height / c });
        self.accumulators.push(a);
    }
}
