//! The network and the query, as the files say.

use super::json::Value;
use super::{hdf5, json};

/// An interval, ends included.
pub type Range = (i64, i64);

/// Accumulators are below this in size, whatever the input: checked when the network is read.
pub const LARGEST: i128 = 1 << 46;

/// How a quotient becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    HalfUp,
    HalfDown,
    HalfEven,
    HalfAway,
    Floor,
    TowardZero,
}

/// Requantisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staircase {
    multiplier: i64,
    shift: u32,
    mode: Mode,
    offset: i64,
    /// Least value.
    pub low: i64,
    /// Greatest value.
    pub high: i64,
}

/// `s(W x + b)`.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Weights, output by output.
    pub rows: Vec<Vec<i64>>,
    /// One per output.
    pub bias: Vec<i64>,
    staircases: Vec<Staircase>,
    /// Per staircase, of hidden layers and the last: the least accumulator of every value from the second on.
    climbs: Vec<Vec<i64>>,
    /// Largest size of a weight.
    pub largest: i64,
}

/// The network.
#[derive(Clone, Debug)]
pub struct Network {
    input: Range,
    /// At least one.
    pub layers: Vec<Layer>,
}

/// The box and the class that all its inputs should have.
#[derive(Clone, Debug)]
pub struct Query {
    /// Range of every input.
    pub input: Vec<Range>,
    /// The class.
    pub label: usize,
}

impl Staircase {
    /// The value of an accumulator. Sizes: 2^46 * 2^32 fits.
    pub fn apply(&self, a: i64) -> i64 {
        let (n, unit) = (i128::from(a) * i128::from(self.multiplier), 1i128 << self.shift);
        let (below, rest) = (n.div_euclid(unit), n.rem_euclid(unit));
        let tie = 2 * rest == unit;
        let nearest = below + i128::from(2 * rest > unit);
        let rounded = match self.mode {
            Mode::Floor => below,
            Mode::TowardZero => n / unit,
            Mode::HalfUp => nearest + i128::from(tie),
            Mode::HalfDown => nearest,
            Mode::HalfEven => nearest + i128::from(tie && below.rem_euclid(2) == 1),
            Mode::HalfAway => nearest + i128::from(tie && n > 0),
        };
        (rounded + i128::from(self.offset)).clamp(i128::from(self.low), i128::from(self.high)) as i64
    }

    /// The least accumulator of each value above the least, by bisection: `apply` does not fall.
    fn climbs(&self) -> Vec<i64> {
        let far = LARGEST as i64;
        let mut climbs = Vec::new();
        let mut from = -far;
        for value in self.low + 1..=self.high {
            if self.apply(far) < value {
                break;
            }
            // Least a in [from, far] with a value of at least `value`.
            let (mut low, mut high) = (from, far);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.apply(middle) >= value { high = middle } else { low = middle + 1 }
            }
            climbs.push(low);
            from = low;
        }
        climbs
    }
}

impl Layer {
    fn index(&self, output: usize) -> usize {
        if self.staircases.len() == 1 { 0 } else { output }
    }

    /// The staircase of an output.
    pub fn staircase(&self, output: usize) -> &Staircase {
        &self.staircases[self.index(output)]
    }

    /// The least accumulator with at least this value: minus infinity for the least value, plus infinity beyond the greatest.
    pub fn climb(&self, output: usize, value: i64) -> i64 {
        match value - self.staircase(output).low {
            ..=0 => -(LARGEST as i64),
            k => self.climbs[self.index(output)].get(k as usize - 1).copied().unwrap_or(LARGEST as i64),
        }
    }

    fn evaluate(&self, x: &[i64]) -> Vec<i64> {
        let one = |(o, row): (usize, &Vec<i64>)| {
            let sum: i64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
            self.staircase(o).apply(sum + self.bias[o])
        };
        self.rows.iter().enumerate().map(one).collect()
    }
}

impl Network {
    /// Reads JSON or Keras HDF5, told apart by the first bytes.
    pub fn read(bytes: &[u8]) -> Result<Network, String> {
        if bytes.starts_with(b"\x89HDF") {
            return hdf5::network(bytes);
        }
        let top = json::parse(bytes)?;
        top.only(&["format", "input_low", "input_high", "layers", "made_by"])?;
        if top.member("format")?.text()? != "integer_network_v0_1" {
            return Err("the network's format is not integer_network_v0_1".into());
        }
        let input = (top.member("input_low")?.integer()?, top.member("input_high")?.integer()?);
        let layers = top.member("layers")?.list()?.iter().map(read_layer).collect::<Result<Vec<_>, String>>()?;
        Network::new(input, layers)
    }

    /// Checks that all fits together and that no accumulator can leave its range.
    fn new(input: Range, mut layers: Vec<Layer>) -> Result<Network, String> {
        let mut size = i128::from(input.0).abs().max(i128::from(input.1).abs());
        let mut width = layers.first().map_or(0, |l| l.inputs);
        if width == 0 || input.0 > input.1 {
            return Err("the network has no layers or no inputs".into());
        }
        for layer in &mut layers {
            let outputs = layer.rows.len();
            let staircases = layer.staircases.len();
            let fits = layer.inputs == width && outputs > 0 && layer.bias.len() == outputs && (staircases == 1 || staircases == outputs);
            if !fits || layer.rows.iter().any(|r| r.len() != width) {
                return Err("the sizes of the layers do not fit".into());
            }
            for (row, bias) in layer.rows.iter().zip(&layer.bias) {
                let reach = row.iter().map(|w| i128::from(*w).abs()).sum::<i128>().checked_mul(size);
                let reach = reach.and_then(|r| r.checked_add(i128::from(*bias).abs()));
                if reach.is_none_or(|r| r >= LARGEST) {
                    return Err("an accumulator may exceed 2^46".into());
                }
            }
            layer.largest = layer.rows.iter().flatten().map(|w| w.abs()).max().unwrap_or(0);
            layer.climbs = layer.staircases.iter().map(Staircase::climbs).collect();
            size = layer.staircases.iter().map(|s| i128::from(s.low).abs().max(i128::from(s.high).abs())).max().unwrap_or(0);
            width = outputs;
        }
        Ok(Network { input, layers })
    }

    /// The last layer.
    pub fn last(&self) -> &Layer {
        &self.layers[self.layers.len() - 1]
    }
}

impl Query {
    /// Reads JSON.
    pub fn read(bytes: &[u8]) -> Result<Query, String> {
        let top = json::parse(bytes)?;
        top.only(&["format", "low", "high", "label"])?;
        if top.member("format")?.text()? != "integer_query_v0_1" {
            return Err("the query's format is not integer_query_v0_1".into());
        }
        let (low, high) = (top.member("low")?.integers()?, top.member("high")?.integers()?);
        if low.len() != high.len() {
            return Err("the query's ends differ in number".into());
        }
        let label = usize::try_from(top.member("label")?.integer()?).map_err(|_| "the label is negative")?;
        Ok(Query { input: low.into_iter().zip(high).collect(), label })
    }

    /// Is it a query about this network?
    pub fn fits(&self, network: &Network) -> Result<(), String> {
        let (least, most) = network.input;
        let inside = |r: &Range| least <= r.0 && r.0 <= r.1 && r.1 <= most;
        match () {
            _ if self.input.len() != network.layers[0].inputs => Err("the query has another number of inputs than the network".into()),
            _ if self.label >= network.last().rows.len() => Err("the network has no output of the query's label".into()),
            _ if !self.input.iter().all(inside) => Err("a range of the query is empty or leaves the network's input range".into()),
            _ => Ok(()),
        }
    }

    /// The class of an input that breaks the query: the first of the largest outputs.
    pub fn replay(&self, network: &Network, x: &[i64]) -> Result<usize, String> {
        if x.len() != self.input.len() || !x.iter().zip(&self.input).all(|(x, r)| r.0 <= *x && *x <= r.1) {
            return Err("the input lies outside the box".into());
        }
        let outputs = network.layers.iter().fold(x.to_vec(), |h, layer| layer.evaluate(&h));
        let largest = outputs.iter().max().copied().unwrap_or(0);
        let class = outputs.iter().position(|o| *o == largest).unwrap_or(0);
        if class == self.label { Err(format!("the input has the query's class {class}")) } else { Ok(class) }
    }
}

/// Most steps of a staircase.
const MOST_STEPS: i128 = 1 << 20;

/// A staircase whose numbers are in range.
fn staircase(multiplier: i64, shift: i64, mode: &str, (offset, low, high): (i64, i64, i64)) -> Result<Staircase, String> {
    let mode = match mode {
        "half-up" => Mode::HalfUp,
        "half-down" => Mode::HalfDown,
        "half-even" => Mode::HalfEven,
        "half-away" => Mode::HalfAway,
        "floor" => Mode::Floor,
        "toward-zero" => Mode::TowardZero,
        other => return Err(format!("the rounding mode `{other}` is not known")),
    };
    let small = |v: i64| i128::from(v).abs() <= 1 << 40;
    let shift = u32::try_from(shift).ok().filter(|s| *s <= 62).ok_or("a shift is not from 0 to 62")?;
    if !(1..=1 << 32).contains(&multiplier) || low > high || !(small(offset) && small(low) && small(high)) {
        return Err("a multiplier, an offset or a saturation limit is out of range".into());
    }
    if i128::from(high) - i128::from(low) >= MOST_STEPS {
        return Err("a staircase has too many steps".into());
    }
    Ok(Staircase { multiplier, shift, mode, offset, low, high })
}

fn read_layer(layer: &Value) -> Result<Layer, String> {
    layer.only(&["weights", "bias", "multiplier", "shift", "rounding", "offset", "low", "high"])?;
    let rows = layer.member("weights")?.list()?.iter().map(Value::integers).collect::<Result<Vec<_>, String>>()?;
    if rows.iter().flatten().any(|w| i32::try_from(*w).is_err()) {
        return Err("a weight has more than 32 bits".into());
    }
    let multiplier = layer.member("multiplier")?;
    let multipliers = multiplier.integer().map_or_else(|_| multiplier.integers(), |m| Ok(vec![m]))?;
    let number = |key| layer.member(key)?.integer();
    let values = (number("offset")?, number("low")?, number("high")?);
    let (shift, mode) = (number("shift")?, layer.member("rounding")?.text()?);
    let staircases = multipliers.into_iter().map(|m| staircase(m, shift, mode, values)).collect::<Result<_, String>>()?;
    Ok(made(rows, layer.member("bias")?.integers()?, staircases))
}

fn made(rows: Vec<Vec<i64>>, bias: Vec<i64>, staircases: Vec<Staircase>) -> Layer {
    Layer { inputs: rows.first().map_or(0, Vec::len), rows, bias, staircases, climbs: Vec::new(), largest: 0 }
}

/// A chain of dense layers in floating point (`outputs x inputs`), quantized to 6 bits as the AAAI 2021 benchmark does: weights with 5
/// fractional bits, biases and values with 4, bytes as inputs with 8; to the nearest, halves away from zero, saturated to [-32, 31].
pub fn quantized(layers: Vec<(Vec<Vec<f32>>, Vec<f32>)>) -> Result<Network, String> {
    let nearest = |x: f32, scale: f64| (f64::from(x) * scale).round().clamp(-32.0, 31.0) as i64;
    let count = layers.len();
    let mut made_layers = Vec::new();
    for (k, (rows, bias)) in layers.into_iter().enumerate() {
        if rows.iter().flatten().chain(&bias).any(|w| !w.is_finite()) {
            return Err("a weight is not finite".into());
        }
        // Fractional bits: 8 + 5 in the first accumulator, 4 + 5 in the others; 4 are kept.
        let shift = if k == 0 { 9 } else { 5 };
        let range = if k + 1 == count { (0, -32, 31) } else { (0, 0, 63) };
        let weights = rows.iter().map(|row| row.iter().map(|&w| nearest(w, 32.0)).collect()).collect();
        let biases = bias.iter().map(|&b| nearest(b, 16.0) << shift).collect();
        made_layers.push(made(weights, biases, vec![staircase(1, shift, "half-up", range)?]));
    }
    Network::new((0, 255), made_layers)
}
