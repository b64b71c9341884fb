//! `crown_query_v1`: a linear/ReLU chain, a box, slopes, and affine inequalities of the outputs, all in exact rationals.
//!
//! Forward CROWN: every neuron gets an affine function of the input below and above it. A linear layer combines them by the sign
//! of its weights. For `max(z, 0)` with `z` in `[l, u]`, the ends of its two functions over the box: `alpha z` is below for any
//! alpha in `[0, 1]`, the chord through `(l, 0)` and `(u, u)` above. The inequality is composed before the box is put in.

use dashu::integer::UBig;
use dashu::rational::RBig;

use super::chain::{matrix, read_linear, read_vector, vector};
use super::number::{bits, text};
use super::{Budget, Chain, Layer, TooMuch};
use crate::json::{Field, Value};
use crate::{ExchangeError, Judgement};

/// The format's name.
pub const FORMAT: &str = "crown_query_v1";

/// Chords whose slope is longer than this get a shorter slope and a constant that makes up for it.
const LONGEST_SLOPE: usize = 256;

/// What a file states: `weights y + bias < 0` (or `<= 0`) in every row, for all outputs `y` of the box.
#[derive(Clone, Debug, PartialEq)]
pub struct CrownQuery {
    /// The network, with a slope for every ReLU.
    pub chain: Chain,
    /// Lower ends of the inputs.
    pub low: Vec<RBig>,
    /// Upper ends.
    pub high: Vec<RBig>,
    /// Rows over the outputs.
    pub weights: Vec<Vec<RBig>>,
    /// One for each row.
    pub bias: Vec<RBig>,
    /// True for `< 0`, false for `<= 0`.
    pub strict: bool,
}

/// What a sweep gives.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// An upper bound of every row of the query.
    pub bounds: Vec<RBig>,
    /// For every ReLU layer the ranges of its operands.
    pub ranges: Vec<Vec<(RBig, RBig)>>,
}

/// An affine function of the input.
#[derive(Clone, Debug)]
struct Line {
    coefficients: Vec<RBig>,
    constant: RBig,
}

/// Functions below and above a value.
#[derive(Clone, Debug)]
struct Forms {
    low: Line,
    high: Line,
}

/// Reads a certificate; `file` is for messages.
pub fn read(file: &str, value: &Value) -> Result<CrownQuery, ExchangeError> {
    let top = Field::top(file, value);
    top.member("format")?.is(FORMAT)?;
    top.only(&["format", "input_dim", "input", "layers", "query"])?;
    let chain = Chain::read(&top, true)?;
    let input = top.member("input")?;
    input.only(&["lo", "hi"])?;
    let low = read_vector(&input.member("lo")?, chain.inputs)?;
    let high = read_vector(&input.member("hi")?, chain.inputs)?;
    if let Some(i) = (0..chain.inputs).find(|&i| low[i] > high[i]) {
        return Err(input.expected(format!("lo[{i}] to be at most hi[{i}]")));
    }
    let query = top.member("query")?;
    query.only(&["weights", "bias", "strict"])?;
    let (weights, bias) = read_linear(&query, chain.outputs())?;
    Ok(CrownQuery { chain, low, high, weights, bias, strict: query.member("strict")?.truth()? })
}

impl CrownQuery {
    /// Bounds over the box, by one sweep. A ReLU without slopes takes 0.
    pub fn sweep(&self, budget: &mut Budget) -> Result<Sweep, TooMuch> {
        let inputs = self.chain.inputs;
        let (mut forms, mut ranges) = (None::<Vec<Forms>>, Vec::new());
        for layer in &self.chain.layers {
            forms = Some(match (layer, forms) {
                // The first layer's functions are its own rows.
                (Layer::Linear { weights, bias }, None) => first(weights, bias, inputs)?,
                (Layer::Linear { weights, bias }, Some(forms)) => linear(weights, bias, &forms, budget)?,
                (Layer::Relu { alpha }, forms) => {
                    let forms = forms.map_or_else(|| units(inputs), Ok)?;
                    let slope = |i: usize| alpha.as_ref().and_then(|a| a.get(i)).cloned().unwrap_or(RBig::ZERO);
                    let mut own = Vec::new();
                    let each = |(i, f): (usize, Forms)| {
                        own.push((self.least(&f.low, budget)?, self.greatest(&f.high, budget)?));
                        self.relu(f, &own[i], &slope(i), budget)
                    };
                    let after = forms.into_iter().enumerate().map(each).collect::<Result<_, _>>()?;
                    ranges.push(own);
                    after
                }
            });
        }
        let forms = forms.map_or_else(|| units(inputs), Ok)?;
        let composed = linear(&self.weights, &self.bias, &forms, budget)?;
        let bounds = composed.iter().map(|f| self.greatest(&f.high, budget)).collect::<Result<_, _>>()?;
        Ok(Sweep { bounds, ranges })
    }

    /// Does recomputation prove every row?
    pub fn check(&self) -> Judgement {
        let bounds = match self.sweep(&mut Budget::default()) {
            Ok(sweep) => sweep.bounds,
            Err(too_much) => return Judgement::Rejected(too_much.to_string()),
        };
        let word = if self.strict { "below" } else { "at most" };
        match bounds.iter().position(|b| !self.allows(b)) {
            Some(r) => Judgement::Rejected(format!("query row {r}: {} is all that follows, which is not {word} 0", short(&bounds[r]))),
            None => {
                let worst = bounds.iter().max().map_or(String::new(), short);
                let (n, m) = (self.chain.inputs, bounds.len());
                Judgement::Accepted(vec![format!(
                    "all rows of the query ({m}) are {word} 0 over the box ({n} inputs); largest bound {worst}"
                )])
            }
        }
    }

    /// True if a row that is at most `bound` is as the query says.
    pub fn allows(&self, bound: &RBig) -> bool {
        *bound < RBig::ZERO || !self.strict && bound.is_zero()
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        format!(
            r#"{{"format":"{FORMAT}","input_dim":{},"input":{{"lo":{},"hi":{}}},"layers":{},"query":{{"weights":{},"bias":{},"strict":{}}}}}"#,
            self.chain.inputs,
            vector(&self.low),
            vector(&self.high),
            self.chain.to_json(),
            matrix(&self.weights),
            vector(&self.bias),
            self.strict
        ) + "\n"
    }

    fn greatest(&self, line: &Line, budget: &mut Budget) -> Result<RBig, TooMuch> {
        let mut sum = line.constant.clone();
        for (i, c) in line.coefficients.iter().enumerate() {
            budget.add_product(&mut sum, c, if *c > RBig::ZERO { &self.high[i] } else { &self.low[i] })?;
        }
        Ok(sum)
    }

    fn least(&self, line: &Line, budget: &mut Budget) -> Result<RBig, TooMuch> {
        let mut sum = line.constant.clone();
        for (i, c) in line.coefficients.iter().enumerate() {
            budget.add_product(&mut sum, c, if *c > RBig::ZERO { &self.low[i] } else { &self.high[i] })?;
        }
        Ok(sum)
    }

    fn relu(&self, z: Forms, (l, u): &(RBig, RBig), alpha: &RBig, budget: &mut Budget) -> Result<Forms, TooMuch> {
        if *l >= RBig::ZERO {
            return Ok(z);
        }
        if *u <= RBig::ZERO {
            let zero = Line { coefficients: vec![RBig::ZERO; self.chain.inputs], constant: RBig::ZERO };
            return Ok(Forms { low: zero.clone(), high: zero });
        }
        let mut slope = u / (u - l);
        if bits(&slope) > LONGEST_SLOPE {
            slope = shorter(&slope);
        }
        // max(z, 0) is convex: a line of any slope is above once it is above at both ends.
        let constant = (-&slope * l).max(u - &slope * u);
        let mut high = scaled(&z.high, &slope, budget)?;
        high.constant += constant;
        Ok(Forms { low: scaled(&z.low, alpha, budget)?, high })
    }
}

/// A number of 64 bits near `x`, which is in `[0, 1]`.
fn shorter(x: &RBig) -> RBig {
    let scale = UBig::ONE << 64;
    RBig::from_parts((x * &scale).floor(), scale)
}

/// Most coefficients of a layer's functions: a small file can name layers whose product is huge.
const MOST_COEFFICIENTS: usize = 1 << 22;

/// The rows of a first linear layer.
fn first(weights: &[Vec<RBig>], bias: &[RBig], inputs: usize) -> Result<Vec<Forms>, TooMuch> {
    fits(weights.len(), inputs)?;
    let line = |(row, b): (&Vec<RBig>, &RBig)| Line { coefficients: row.clone(), constant: b.clone() };
    Ok(weights.iter().zip(bias).map(line).map(|line| Forms { low: line.clone(), high: line }).collect())
}

/// The inputs as functions of the inputs.
fn units(n: usize) -> Result<Vec<Forms>, TooMuch> {
    fits(n, n)?;
    let unit = |i: usize| {
        let coefficients = (0..n).map(|k| if k == i { RBig::ONE } else { RBig::ZERO }).collect();
        let line = Line { coefficients, constant: RBig::ZERO };
        Forms { low: line.clone(), high: line }
    };
    Ok((0..n).map(unit).collect())
}

fn fits(rows: usize, inputs: usize) -> Result<(), TooMuch> {
    if rows.checked_mul(inputs).is_some_and(|n| n <= MOST_COEFFICIENTS) { Ok(()) } else { Err(TooMuch) }
}

fn scaled(line: &Line, by: &RBig, budget: &mut Budget) -> Result<Line, TooMuch> {
    let mut product = |c: &RBig| {
        let mut p = RBig::ZERO;
        budget.add_product(&mut p, c, by).map(|()| p)
    };
    let coefficients = line.coefficients.iter().map(&mut product).collect::<Result<_, _>>()?;
    Ok(Line { coefficients, constant: product(&line.constant)? })
}

fn linear(weights: &[Vec<RBig>], bias: &[RBig], forms: &[Forms], budget: &mut Budget) -> Result<Vec<Forms>, TooMuch> {
    fits(weights.len(), forms.first().map_or(0, |f| f.low.coefficients.len()))?;
    let mut side = |row: &[RBig], b: &RBig, upper: bool| -> Result<Line, TooMuch> {
        let inputs = forms.first().map_or(0, |f| f.low.coefficients.len());
        let mut line = Line { coefficients: vec![RBig::ZERO; inputs], constant: b.clone() };
        for (w, f) in row.iter().zip(forms).filter(|(w, _)| !w.is_zero()) {
            let source = if (*w > RBig::ZERO) == upper { &f.high } else { &f.low };
            for (sum, c) in line.coefficients.iter_mut().zip(&source.coefficients) {
                budget.add_product(sum, w, c)?;
            }
            budget.add_product(&mut line.constant, w, &source.constant)?;
        }
        Ok(line)
    };
    weights.iter().zip(bias).map(|(row, b)| Ok(Forms { low: side(row, b, false)?, high: side(row, b, true)? })).collect()
}

/// A bound for a message.
fn short(x: &RBig) -> String {
    let exact = text(x);
    if exact.len() <= 24 { exact } else { format!("about {:e}", x.to_f64().value()) }
}
