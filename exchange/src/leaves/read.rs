//! `abcrown_leaf_artifact_v0_1`, and the raw dump that it is made from.

use engine::numerics::Decimal;

use crate::ExchangeError;
use crate::json::{Field, Number, Value};
use crate::nodes::{Ends, ends};

/// The format's name.
pub const FORMAT: &str = "abcrown_leaf_artifact_v0_1";

/// Most inputs.
const MOST_INPUTS: usize = 1 << 20;

/// One part of the input set, and the bounds that close it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its box.
    pub region: Ends,
    /// Lower bounds of the property's rows over the box.
    pub lower_bounds: Vec<Number>,
    /// What a row has to exceed.
    pub thresholds: Vec<Number>,
    /// The row that is said to exceed its threshold, and by how much.
    pub witness: Option<usize>,
    /// By how much.
    pub margin: Option<Number>,
}

/// A branch and bound over inputs, as its leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaves {
    /// The whole box.
    pub root: Ends,
    /// At least one, all with the same number of rows.
    pub leaves: Vec<Leaf>,
}

/// Names of a leaf's members: box, bounds, thresholds.
type Names = [&'static str; 4];
const ARTIFACT: Names = ["lo", "hi", "lb", "threshold"];
const DUMP: Names = ["x_L", "x_U", "lower_bounds", "thresholds"];

/// Reads a certificate; `file` is for messages.
pub fn read(file: &str, value: &Value) -> Result<Leaves, ExchangeError> {
    let top = Field::top(file, value);
    let root = top.member("root")?;
    let (list, names, inputs) = match top.optional("domains")? {
        Some(list) => {
            top.only(&["root", "domains"])?;
            (list, DUMP, root.member("lo")?.elements()?.len())
        }
        None => {
            top.member("format")?.is(FORMAT)?;
            top.only(&["format", "input_dim", "root", "leaves"])?;
            (top.member("leaves")?, ARTIFACT, top.member("input_dim")?.positive(MOST_INPUTS)?)
        }
    };
    let root = ends(&root, inputs)?;
    let mut leaves: Vec<Leaf> = Vec::new();
    for field in list.elements()? {
        leaves.push(leaf(&field, names, inputs, leaves.first().map(|l| l.lower_bounds.len()))?);
    }
    match leaves.is_empty() {
        true => Err(list.expected("at least one leaf")),
        false => Ok(Leaves { root, leaves }),
    }
}

fn leaf(field: &Field, names: Names, inputs: usize, rows: Option<usize>) -> Result<Leaf, ExchangeError> {
    field.only(&[&names[..], &["witness_idx", "witness_margin"]].concat())?;
    let [low, high, bounds, thresholds] = names;
    let region = Ends { low: field.member(low)?.numbers(inputs)?, high: field.member(high)?.numbers(inputs)? };
    if let Some(i) = (0..inputs).find(|&i| region.low[i].exact > region.high[i].exact) {
        return Err(field.expected(format!("{low}[{i}] to be at most {high}[{i}]")));
    }
    let bounds = field.member(bounds)?;
    let rows = match (rows, bounds.elements()?.len()) {
        (None, 0) => return Err(bounds.expected("at least one bound")),
        (None, n) => n,
        (Some(n), _) => n,
    };
    let witness = field.optional("witness_idx")?.map(|w| w.natural(rows - 1)).transpose()?;
    let margin = field.optional("witness_margin")?.map(|m| m.number().cloned()).transpose()?;
    if margin.is_some() && witness.is_none() {
        return Err(field.expected("`witness_idx` beside `witness_margin`"));
    }
    let (lower_bounds, thresholds) = (bounds.numbers(rows)?, field.member(thresholds)?.numbers(rows)?);
    Ok(Leaf { region, lower_bounds, thresholds, witness, margin })
}

impl Leaves {
    /// Do the numbers of every leaf say what they have to: inside the root, some row above its threshold?
    pub fn consistent(&self) -> Result<(), String> {
        for (at, leaf) in self.leaves.iter().enumerate() {
            leaf.consistent(&self.root).map_err(|problem| format!("leaf {at}: {problem}"))?;
        }
        Ok(())
    }
}

impl Leaf {
    fn consistent(&self, root: &Ends) -> Result<(), String> {
        let outside = |i: &usize| self.region.low[*i].exact < root.low[*i].exact || self.region.high[*i].exact > root.high[*i].exact;
        if let Some(i) = (0..self.region.len()).find(outside) {
            return Err(format!("it reaches beyond the root at input {i}"));
        }
        let excess = |i: usize| &self.lower_bounds[i].exact - &self.thresholds[i].exact;
        match self.witness {
            Some(w) if excess(w).sign() <= 0 => return Err(format!("lb[{w}], which `witness_idx` names, is not above threshold[{w}]")),
            None if (0..self.lower_bounds.len()).all(|i| excess(i).sign() <= 0) => return Err("no lb is above its threshold".into()),
            _ => {}
        }
        match (self.witness, &self.margin) {
            (Some(w), Some(margin)) if margin.exact > rounded_up(&excess(w)) => {
                Err(format!("`witness_margin` is more than lb[{w}] - threshold[{w}], also after rounding to binary32"))
            }
            _ => Ok(()),
        }
    }
}

/// The least binary32 number that is at least `x`, where there is one: tools write differences that they rounded.
fn rounded_up(x: &Decimal) -> Decimal {
    let near = x.to_f32();
    let up = if Decimal::from_f64(near.into()).is_some_and(|n| n >= *x) { near } else { near.next_up() };
    Decimal::from_f64(up.into()).unwrap_or_else(|| x.clone())
}
