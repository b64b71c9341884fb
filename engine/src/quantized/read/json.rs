//! Integer networks and queries as JSON (`docs/quantized.md`).

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::input::InputError;
use crate::quantized::bounds::Range;
use crate::quantized::{Layer, Network, Query, Requantise, Rounding};

/// Format name of networks.
const NETWORK: &str = "integer_network_v0_1";
/// Format name of queries.
const QUERY: &str = "integer_query_v0_1";

/// A value with its place in the file.
struct Field<'a> {
    file: &'a Path,
    place: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    fn expected(&self, what: impl std::fmt::Display) -> InputError {
        let text = self.value.to_string();
        let found: String = text.chars().take(60).collect();
        InputError::place(self.file, format!("field `{}`", self.place), format!("expected {what}, found {found}"), "see docs/quantized.md")
    }

    fn object(&self) -> Result<&'a Map<String, Value>, InputError> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    fn member(&self, key: &str) -> Result<Field<'a>, InputError> {
        let value = self.object()?.get(key).ok_or_else(|| self.expected(format!("a member `{key}`")))?;
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        Ok(Field { file: self.file, place, value })
    }

    fn elements(&self) -> Result<Vec<Field<'a>>, InputError> {
        let list = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let element = |(i, value)| Field { file: self.file, place: format!("{}[{i}]", self.place), value };
        Ok(list.iter().enumerate().map(element).collect())
    }

    fn integer(&self) -> Result<i64, InputError> {
        self.value.as_i64().ok_or_else(|| self.expected("a whole number of 64 bits"))
    }

    fn integers(&self) -> Result<Vec<i64>, InputError> {
        let list = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let fast: Option<Vec<i64>> = list.iter().map(Value::as_i64).collect();
        fast.map_or_else(|| self.elements()?.iter().map(Field::integer).collect(), Ok)
    }

    /// Only these members are there.
    fn only(&self, known: &[&str]) -> Result<(), InputError> {
        match self.object()?.keys().find(|k| !known.contains(&k.as_str())) {
            Some(stranger) => Err(self.expected(format!("no member `{stranger}` (known: {})", known.join(", ")))),
            None => Ok(()),
        }
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Value, InputError> {
    serde_json::from_slice(bytes).map_err(|e| InputError::content(path, format!("not valid JSON: {e}"), "see docs/quantized.md"))
}

fn top<'a>(path: &'a Path, value: &'a Value, format: &str) -> Result<Field<'a>, InputError> {
    let top = Field { file: path, place: String::new(), value };
    let named = top.member("format")?;
    if named.value.as_str() == Some(format) { Ok(top) } else { Err(named.expected(format!("`{format}`"))) }
}

/// Reads a network.
pub fn network_from_json(bytes: &[u8], path: &Path) -> Result<Network, InputError> {
    let value = parse(bytes, path)?;
    let top = top(path, &value, NETWORK)?;
    top.only(&["format", "input_low", "input_high", "layers", "made_by"])?;
    let input = (top.member("input_low")?.integer()?, top.member("input_high")?.integer()?);
    let layers = top.member("layers")?.elements()?.iter().map(read_layer).collect::<Result<Vec<_>, _>>()?;
    Network::new(input, layers).map_err(|e| InputError::content(path, e.to_string(), "see docs/quantized.md"))
}

fn read_layer(field: &Field) -> Result<Layer, InputError> {
    field.only(&["weights", "bias", "multiplier", "shift", "rounding", "offset", "low", "high"])?;
    let rows = field.member("weights")?.elements()?;
    let mut weights = Vec::new();
    let mut inputs = None;
    for row in &rows {
        let numbers = row.integers()?;
        if *inputs.get_or_insert(numbers.len()) != numbers.len() {
            return Err(row.expected(format!("{} numbers, as in the first row", inputs.unwrap_or(0))));
        }
        for w in numbers {
            weights.push(i32::try_from(w).map_err(|_| row.expected("weights of 32 bits"))?);
        }
    }
    let bias = field.member("bias")?.integers()?;
    Ok(Layer { inputs: inputs.unwrap_or(0), outputs: rows.len(), weights, bias, requantise: read_requantise(field)? })
}

fn read_requantise(field: &Field) -> Result<Vec<Requantise>, InputError> {
    let multiplier = field.member("multiplier")?;
    let multipliers = if multiplier.value.is_array() { multiplier.integers()? } else { vec![multiplier.integer()?] };
    let mode = field.member("rounding")?;
    let names = Rounding::ALL.map(|(_, name)| name).join(", ");
    let rounding = mode.value.as_str().and_then(Rounding::named).ok_or_else(|| mode.expected(format!("one of {names}")))?;
    let shift = field.member("shift")?;
    let shift = u32::try_from(shift.integer()?).map_err(|_| shift.expected("a shift from 0 to 62"))?;
    let number = |key| field.member(key)?.integer();
    let (offset, low, high) = (number("offset")?, number("low")?, number("high")?);
    Ok(multipliers.into_iter().map(|multiplier| Requantise { multiplier, shift, rounding, offset, low, high }).collect())
}

/// Writes a network in the form that the reader takes.
///
/// The format has one shift, rounding, offset and range per layer. Shifts are made equal by larger multipliers, which is exact; a
/// network whose outputs differ otherwise is refused, with the layer's number.
pub fn network_to_json(network: &Network, made_by: Option<Value>) -> Result<String, String> {
    let layer = |(number, layer): (usize, &Layer)| {
        let rows: Vec<&[i32]> = (0..layer.outputs).map(|o| layer.row(o)).collect();
        let multipliers = at_one_shift(&layer.requantise).map_err(|why| format!("layer {number}: {why}; JSON has one per layer"))?;
        let most = layer.requantise.iter().map(|r| r.shift).max().unwrap_or(0);
        let first = Requantise { shift: most, ..layer.requantise[0] };
        let multiplier = if multipliers.len() == 1 { json!(multipliers[0]) } else { json!(multipliers) };
        Ok(json!({
            "weights": rows, "bias": layer.bias, "multiplier": multiplier, "shift": first.shift,
            "rounding": first.rounding.name(), "offset": first.offset, "low": first.low, "high": first.high,
        }))
    };
    let (low, high) = network.input_range();
    let layers: Vec<Value> = network.layers().iter().enumerate().map(layer).collect::<Result<_, String>>()?;
    let mut top = json!({"format": NETWORK, "input_low": low, "input_high": high, "layers": layers});
    if let Some(made_by) = made_by {
        top["made_by"] = made_by;
    }
    Ok(top.to_string() + "\n")
}

/// The multipliers at the greatest of the shifts.
fn at_one_shift(all: &[Requantise]) -> Result<Vec<i64>, &'static str> {
    let first = all[0];
    if all.iter().any(|r| Requantise { multiplier: first.multiplier, shift: first.shift, ..*r } != first) {
        return Err("outputs have different roundings, offsets or ranges");
    }
    let most = all.iter().map(|r| r.shift).max().unwrap_or(0);
    let raised = |r: &Requantise| r.multiplier.checked_mul(1i64.checked_shl(most - r.shift).filter(|x| *x > 0)?);
    all.iter().map(raised).collect::<Option<_>>().ok_or("shifts are too different for one multiplier each")
}

/// Reads a query; whether it fits a network is for [`Query::check`] to say.
pub fn query_from_json(bytes: &[u8], path: &Path) -> Result<Query, InputError> {
    let value = parse(bytes, path)?;
    let top = top(path, &value, QUERY)?;
    top.only(&["format", "low", "high", "label"])?;
    let (low, high) = (top.member("low")?.integers()?, top.member("high")?);
    let highs = high.integers()?;
    if low.len() != highs.len() {
        return Err(high.expected(format!("{} numbers, as in `low`", low.len())));
    }
    let label = top.member("label")?;
    let class = usize::try_from(label.integer()?).map_err(|_| label.expected("a class counted from 0"))?;
    let input = low.into_iter().zip(highs).map(|(low, high)| Range { low, high }).collect();
    Ok(Query { input, label: class })
}

/// Writes a query in the form that [`query_from_json`] reads.
pub fn query_to_json(query: &Query) -> String {
    let low: Vec<i64> = query.input.iter().map(|r| r.low).collect();
    let high: Vec<i64> = query.input.iter().map(|r| r.high).collect();
    json!({"format": QUERY, "low": low, "high": high, "label": query.label}).to_string() + "\n"
}
