//! Networks, their files, and their values counted out: nothing is shared with the checker.

use checker::Semantics;
use checker::certificate::{Container, Kind};
use checker::integer::{self, Shown};
use checker::sha256::digest;

use super::Random;

pub const MODES: [&str; 6] = ["half-up", "half-down", "half-even", "half-away", "floor", "toward-zero"];

#[derive(Clone, Debug)]
pub struct Layer {
    pub weights: Vec<Vec<i64>>,
    pub bias: Vec<i64>,
    pub multipliers: Vec<i64>,
    pub shift: u32,
    pub mode: &'static str,
    pub offset: i64,
    pub low: i64,
    pub high: i64,
}

/// A network and a query about it.
#[derive(Clone, Debug)]
pub struct Problem {
    pub layers: Vec<Layer>,
    pub input: Vec<(i64, i64)>,
    pub label: usize,
    /// Added to every other output.
    pub margin: i64,
}

impl Layer {
    /// The value of an accumulator, from the two integers around the quotient.
    pub fn value(&self, output: usize, a: i64) -> i64 {
        let n = a * self.multipliers[if self.multipliers.len() == 1 { 0 } else { output }];
        let unit = 1i64 << self.shift;
        let down = (n - if n < 0 { unit - 1 } else { 0 }) / unit;
        // Distances to the integers below and above, in units of 2^-shift.
        let (below, above) = (n - down * unit, (down + 1) * unit - n);
        let up = match self.mode {
            "floor" => false,
            "toward-zero" => n < 0 && below > 0,
            _ if below != above => above < below,
            "half-up" => true,
            "half-down" => false,
            "half-even" => down % 2 != 0,
            "half-away" => n > 0,
            other => panic!("{other}"),
        };
        (down + i64::from(up) + self.offset).max(self.low).min(self.high)
    }
}

impl Problem {
    pub fn outputs(&self, x: &[i64]) -> Vec<i64> {
        self.layers.iter().fold(x.to_vec(), |h, layer| {
            let sum = |o: usize| layer.bias[o] + (0..h.len()).map(|i| layer.weights[o][i] * h[i]).sum::<i64>();
            (0..layer.bias.len()).map(|o| layer.value(o, sum(o))).collect()
        })
    }

    /// Whether the label's output, at this input, exceeds the others by the margin, or equals them and comes first.
    pub fn keeps_label(&self, x: &[i64]) -> bool {
        let outputs = self.outputs(x);
        let other = |o: usize| outputs[o] + self.margin < outputs[self.label] + i64::from(o > self.label);
        (0..outputs.len()).all(|o| o == self.label || other(o))
    }

    /// All inputs of the box.
    pub fn points(&self) -> Vec<Vec<i64>> {
        self.input.iter().fold(vec![Vec::new()], |points, &(low, high)| {
            points.iter().flat_map(|p| (low..=high).map(move |x| [&p[..], &[x]].concat())).collect()
        })
    }

    pub fn network_file(&self) -> String {
        let layers: Vec<String> = self.layers.iter().map(layer_text).collect();
        format!("{{\"format\": \"integer_network_v0_1\", \"input_low\": -20, \"input_high\": 20, \"layers\": [{}]}}", layers.join(", "))
    }

    pub fn query_file(&self) -> String {
        let ends = |end: fn(&(i64, i64)) -> i64| self.input.iter().map(end).collect::<Vec<i64>>();
        let (low, high) = (ends(|r| r.0), ends(|r| r.1));
        format!("{{\"format\": \"integer_query_v0_1\", \"low\": {low:?}, \"high\": {high:?}, \"label\": {}}}", self.label)
    }

    /// What the checker says to a payload.
    pub fn checked(&self, kind: Kind, partial: bool, payload: &[u8]) -> Result<Shown, String> {
        let (network, query) = (self.network_file(), self.query_file());
        let hash = |text: &str| digest(text.as_bytes());
        let container = Container { kind, semantics: Semantics::Integer, partial, network: hash(&network), query: hash(&query), payload };
        integer::check_with_margin(network.as_bytes(), query.as_bytes(), &container.write(), self.margin).map_err(|fault| fault.reason)
    }
}

fn layer_text(layer: &Layer) -> String {
    let Layer { weights, bias, multipliers, shift, mode, offset, low, high } = layer;
    let multiplier = if let &[one] = &multipliers[..] { one.to_string() } else { format!("{multipliers:?}") };
    format!(
        "{{\"weights\": {weights:?}, \"bias\": {bias:?}, \"multiplier\": {multiplier}, \"shift\": {shift}, \"rounding\": \"{mode}\", \
         \"offset\": {offset}, \"low\": {low}, \"high\": {high}}}"
    )
}

/// A random problem with so many hidden layers: at most three neurons in a layer, a box of at most 36 points.
pub fn random_problem(random: &mut Random, hidden: usize) -> Problem {
    let mut width = 1 + random.below(2) as usize;
    let mut range = || {
        let low = random.around(5);
        (low, low + random.below(6))
    };
    let input = (0..width).map(|_| range()).collect();
    let mut layers = Vec::new();
    for k in 0..=hidden {
        let outputs = if k == hidden { 2 + random.below(5) as usize / 4 } else { 1 + random.below(3) as usize };
        let low = random.around(4) - if k == hidden { 9 } else { 0 };
        layers.push(Layer {
            weights: (0..outputs).map(|_| (0..width).map(|_| random.around(4)).collect()).collect(),
            bias: (0..outputs).map(|_| random.around(12)).collect(),
            multipliers: (0..if random.below(2) == 0 { 1 } else { outputs }).map(|_| 1 + random.below(5)).collect(),
            shift: random.below(4) as u32,
            mode: MODES[random.below(6) as usize],
            offset: random.around(2),
            low,
            high: low + 1 + random.below(24),
        });
        width = outputs;
    }
    Problem { layers, input, label: random.below(width as i64) as usize, margin: random.below(3) * random.below(2) }
}
