//! Integer networks as npz: a zip of `layers.K.weight` (outputs x inputs), `layers.K.bias` and `layers.K.requantise`, the six
//! numbers multiplier, shift, rounding mode (its number in [`Rounding::ALL`]), offset, low, high (one row, or one per output), and
//! `input` (least and greatest value of the inputs).
//!
//! Source: PKWARE APPNOTE 6.3 (stored and deflated members, no zip64, no encryption) and the npy format 1.0.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::input::InputError;
use crate::quantized::{Layer, Network, Requantise, Rounding};

/// Most numbers of all arrays together.
const MOST: usize = 1 << 28;

/// An array of integers.
struct Array {
    shape: Vec<usize>,
    data: Vec<i64>,
}

/// Reads a network.
pub fn read(bytes: &[u8], path: &Path) -> Result<Network, InputError> {
    let fail = |problem: String| InputError::content(path, problem, "write the arrays with numpy.savez; see docs/quantized.md");
    let mut arrays = arrays(bytes).map_err(fail)?;
    network(&mut arrays).map_err(fail)
}

fn network(arrays: &mut BTreeMap<String, Array>) -> Result<Network, String> {
    let mut take = |name: &str| arrays.remove(name).ok_or_else(|| format!("the array `{name}` is missing"));
    let input = take("input")?;
    let &[low, high] = &input.data[..] else { return Err("the array `input` must hold two numbers".into()) };
    let mut layers = Vec::new();
    loop {
        let k = layers.len();
        let weight = match take(&format!("layers.{k}.weight")) {
            Err(_) if k > 0 => break,
            other => other?,
        };
        let (bias, requantise) = (take(&format!("layers.{k}.bias"))?, take(&format!("layers.{k}.requantise"))?);
        layers.push(layer(k, weight, bias, requantise)?);
    }
    match arrays.keys().next() {
        Some(stranger) => Err(format!("the array `{stranger}` is not known")),
        None => Network::new((low, high), layers).map_err(|e| e.to_string()),
    }
}

fn layer(k: usize, weight: Array, bias: Array, requantise: Array) -> Result<Layer, String> {
    let &[outputs, inputs] = &weight.shape[..] else { return Err(format!("`layers.{k}.weight` must be outputs x inputs")) };
    let weights = weight.data.iter().map(|&w| i32::try_from(w)).collect::<Result<_, _>>();
    let weights = weights.map_err(|_| format!("`layers.{k}.weight` holds a number of more than 32 bits"))?;
    let (rows, rest) = requantise.data.as_chunks::<6>();
    if !rest.is_empty() {
        return Err(format!("`layers.{k}.requantise` must have rows of six numbers"));
    }
    let staircase = |row: &[i64; 6]| {
        let [multiplier, shift, mode, offset, low, high] = *row;
        let rounding = usize::try_from(mode).ok().and_then(|m| Rounding::ALL.get(m));
        match (u32::try_from(shift), rounding) {
            (Ok(shift), Some(&(rounding, _))) => Ok(Requantise { multiplier, shift, rounding, offset, low, high }),
            _ => Err(format!("`layers.{k}.requantise`: shift {shift} or rounding mode {mode} is out of range")),
        }
    };
    let requantise = rows.iter().map(staircase).collect::<Result<_, _>>()?;
    Ok(Layer { inputs, outputs, weights, bias: bias.data, requantise })
}

fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// The arrays of a zip, by name without `.npy`.
fn arrays(bytes: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let cut = || "the zip file is truncated or corrupt".to_owned();
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").ok_or_else(cut)?;
    let record = bytes.get(end..end + 22).ok_or_else(cut)?;
    let (count, mut at) = (little(&record[10..12]), little(&record[16..20]));
    let mut found = BTreeMap::new();
    let mut left = MOST;
    for _ in 0..count {
        let entry = bytes.get(at..).and_then(|b| b.get(..46)).filter(|e| e.starts_with(b"PK\x01\x02")).ok_or_else(cut)?;
        let (method, packed, offset) = (little(&entry[10..12]), little(&entry[20..24]), little(&entry[42..46]));
        let lengths = [28, 30, 32].map(|i| little(&entry[i..i + 2]));
        let name = bytes.get(at + 46..at + 46 + lengths[0]).ok_or_else(cut)?;
        let name = String::from_utf8_lossy(name).into_owned();
        at += 46 + lengths.iter().sum::<usize>();
        let local = bytes.get(offset..).and_then(|b| b.get(..30)).filter(|l| l.starts_with(b"PK\x03\x04")).ok_or_else(cut)?;
        let start = offset + 30 + little(&local[26..28]) + little(&local[28..30]);
        let data = bytes.get(start..).and_then(|b| b.get(..packed)).ok_or_else(cut)?;
        let array = npy(&inflated(data, method, 8 * left + (1 << 16))?).map_err(|e| format!("array `{name}`: {e}"))?;
        left = left.checked_sub(array.data.len()).ok_or("the arrays hold too many numbers")?;
        found.insert(name.trim_end_matches(".npy").to_owned(), array);
    }
    Ok(found)
}

fn inflated(data: &[u8], method: usize, most: usize) -> Result<Vec<u8>, String> {
    match method {
        0 => Ok(data.to_vec()),
        8 => {
            let mut bytes = Vec::new();
            let read = flate2::read::DeflateDecoder::new(data).take(most as u64 + 1).read_to_end(&mut bytes);
            match read {
                Ok(length) if length <= most => Ok(bytes),
                Ok(_) => Err("the arrays hold too many numbers".into()),
                Err(e) => Err(format!("a member cannot be inflated: {e}")),
            }
        }
        other => Err(format!("compression method {other} is not supported")),
    }
}

/// An npy array of integers, row-major.
fn npy(bytes: &[u8]) -> Result<Array, String> {
    let header = match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high, rest @ ..] => rest.split_at_checked(little(&[*low, *high])),
        _ => None,
    };
    let (header, data) = header.ok_or("not an npy array of format 1.0")?;
    let header = String::from_utf8_lossy(header);
    let value = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches([' ', ':', '\'', '"']));
    if !value("fortran_order").is_some_and(|v| v.starts_with("False")) {
        return Err("not stored in row-major order".into());
    }
    let shape = value("shape").and_then(|v| v.strip_prefix('(')?.split_once(')')).ok_or("the shape cannot be read")?.0;
    let sizes = shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect::<Result<Vec<usize>, _>>();
    let shape = sizes.map_err(|_| "the shape cannot be read")?;
    let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).ok_or("too large")?;
    let kind: String = value("descr").ok_or("the type cannot be read")?.chars().take(3).collect();
    let data = integers(&kind, data).ok_or_else(|| format!("type `{kind}` is not a little-endian integer of 1, 2, 4 or 8 bytes"))?;
    if data.len() != count {
        return Err(format!("{} numbers where the shape has {count}", data.len()));
    }
    Ok(Array { shape, data })
}

fn integers(kind: &str, data: &[u8]) -> Option<Vec<i64>> {
    let width = match kind.chars().last()? {
        '1' => 1,
        '2' => 2,
        '4' => 4,
        '8' => 8,
        _ => return None,
    };
    let signed = kind.contains('i');
    if !(signed || kind.contains('u')) || kind.starts_with('>') || !data.len().is_multiple_of(width) || (!signed && width == 8) {
        return None;
    }
    let number = |b: &[u8]| {
        let raw = b.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let unused = 64 - 8 * width as u32;
        // Sign extension by an arithmetic shift.
        if signed { ((raw << unused) as i64) >> unused } else { raw as i64 }
    };
    Some(data.chunks_exact(width).map(number).collect())
}
