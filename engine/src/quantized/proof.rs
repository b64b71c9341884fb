//! A proof as it is found: for every wrong class a tree in pre-order, with integer multipliers at its leaves; and its bytes.

use checker::Semantics;
use checker::certificate::{Container, Cursor, Fault, Kind, write_varint};
use checker::integer::{Shown, check_with_margin};

use super::dual;
use super::network::Network;
use super::problem::{Multipliers, Split};

/// One record of a tree in pre-order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing is left here: a range is empty, or ranges alone exclude every level.
    Empty,
    /// These multipliers exclude the target.
    Leaf(Multipliers),
    /// Two parts follow.
    Split {
        /// How.
        split: Split,
        /// True if the half above comes first.
        second_first: bool,
    },
    /// A narrower range of an accumulator, valid here and below; the node's own record follows.
    Tighten {
        /// Hidden layer, counted from 0.
        layer: usize,
        /// Neuron, counted from 0.
        neuron: usize,
        /// 1: the range ends at the bound; -1: it begins there.
        sign: i64,
        /// Units of the multipliers.
        unit: i64,
        /// Of the accumulators of the layers before.
        multipliers: dual::Multipliers,
    },
    /// Nothing is claimed here.
    Open,
}

/// The tree of one wrong class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassProof {
    /// The wrong class.
    pub class: usize,
    /// In pre-order.
    pub records: Vec<Record>,
}

impl ClassProof {
    /// True if some of it is not proved.
    pub fn is_open(&self) -> bool {
        self.records.contains(&Record::Open)
    }
}

/// A proof that a query is robust, or as much of it as was found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Proof {
    /// Tightenings that hold in all trees.
    pub shared: Vec<Record>,
    /// One for every class but the label, in order.
    pub classes: Vec<ClassProof>,
}

impl Proof {
    /// True if some of it is not proved.
    pub fn is_open(&self) -> bool {
        self.classes.iter().any(ClassProof::is_open)
    }
}

/// The certificate of a proof, partial where that is open; the hashes are those of the uncompressed network and query files.
pub fn certificate(proof: &Proof, network: [u8; 32], query: [u8; 32]) -> Vec<u8> {
    let mut payload = Vec::new();
    write_varint(&mut payload, proof.shared.len() as u64);
    let records = proof.shared.iter().chain(proof.classes.iter().flat_map(|c| &c.records));
    records.for_each(|record| write(&mut payload, record));
    Container { kind: Kind::IntegerProof, semantics: Semantics::Integer, partial: proof.is_open(), network, query, payload: &payload }
        .write()
}

/// The certificate of a counterexample.
pub fn witness(input: &[i64], network: [u8; 32], query: [u8; 32]) -> Vec<u8> {
    let mut payload = Vec::new();
    input.iter().for_each(|&x| write_signed(&mut payload, x));
    Container { kind: Kind::IntegerWitness, semantics: Semantics::Integer, partial: false, network, query, payload: &payload }.write()
}

/// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
fn write_signed(bytes: &mut Vec<u8>, value: i64) {
    write_varint(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// One record (docs/certificate.md, "Integer proofs").
fn write(bytes: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Empty => bytes.push(0),
        Record::Leaf(Multipliers { rise, cap, layers }) => {
            bytes.push(1);
            [rise, cap].into_iter().for_each(|w| write_varint(bytes, *w as u64));
            layers.iter().flatten().for_each(|&m| write_signed(bytes, m));
        }
        Record::Split { split, second_first } => {
            let second = u8::from(*second_first);
            match *split {
                Split::Hidden { layer, neuron, last } => {
                    bytes.push(2 + second);
                    [layer, neuron].into_iter().for_each(|n| write_varint(bytes, n as u64));
                    write_signed(bytes, last);
                }
                Split::Input { index, last } => {
                    bytes.push(4 + second);
                    write_varint(bytes, index as u64);
                    write_signed(bytes, last);
                }
                Split::Level { last } => {
                    bytes.push(6 + second);
                    write_signed(bytes, last);
                }
            }
        }
        Record::Tighten { layer, neuron, sign, unit, multipliers } => {
            bytes.push(if *sign > 0 { 8 } else { 9 });
            [*layer as u64, *neuron as u64, *unit as u64].into_iter().for_each(|n| write_varint(bytes, n));
            multipliers.iter().flatten().for_each(|&m| write_signed(bytes, m));
        }
        Record::Open => bytes.push(10),
    }
}

/// The proof in the payload of a certificate about a network and a query with this label. It says nothing about whether that is one.
pub fn read(payload: &[u8], network: &Network, label: usize) -> Result<Proof, Fault> {
    let mut reader = Reader { network, cursor: Cursor::new(payload, 0, payload.len()) };
    let count = reader.cursor.length()?;
    let shared = (0..count).map(|_| reader.record()).collect::<Result<_, Fault>>()?;
    let classes = (0..network.outputs()).filter(|class| *class != label);
    let classes = classes.map(|class| Ok(ClassProof { class, records: reader.tree()? })).collect::<Result<_, Fault>>()?;
    if reader.cursor.left() > 0 { reader.cursor.fault("there are bytes after the last tree") } else { Ok(Proof { shared, classes }) }
}

struct Reader<'a> {
    network: &'a Network,
    cursor: Cursor<'a>,
}

impl Reader<'_> {
    fn tree(&mut self) -> Result<Vec<Record>, Fault> {
        let (mut records, mut nodes) = (Vec::new(), 1);
        while nodes > 0 {
            let record = self.record()?;
            match record {
                Record::Split { .. } => nodes += 1,
                Record::Tighten { .. } => {}
                Record::Empty | Record::Leaf(_) | Record::Open => nodes -= 1,
            }
            records.push(record);
        }
        Ok(records)
    }

    fn record(&mut self) -> Result<Record, Fault> {
        let hidden = self.network.layers().len() - 1;
        let kind = self.cursor.byte()?;
        let split = |split: Split| Record::Split { split, second_first: kind % 2 == 1 };
        Ok(match kind {
            0 => Record::Empty,
            1 => Record::Leaf(Multipliers { rise: self.weight()?, cap: self.weight()?, layers: self.multipliers(hidden)? }),
            2 | 3 => {
                let (layer, neuron) = self.neuron()?;
                split(Split::Hidden { layer, neuron, last: self.signed()? })
            }
            4 | 5 => split(Split::Input { index: self.cursor.index(self.network.layers()[0].inputs, "input")?, last: self.signed()? }),
            6 | 7 => split(Split::Level { last: self.signed()? }),
            8 | 9 => {
                let (layer, neuron) = self.neuron()?;
                let unit = self.weight()?.max(1);
                Record::Tighten { layer, neuron, sign: if kind == 8 { 1 } else { -1 }, unit, multipliers: self.multipliers(layer)? }
            }
            10 => Record::Open,
            other => return self.cursor.fault(format!("record {other} is not known")),
        })
    }

    fn neuron(&mut self) -> Result<(usize, usize), Fault> {
        let layer = self.cursor.index(self.network.layers().len() - 1, "hidden layer")?;
        Ok((layer, self.cursor.index(self.network.layers()[layer].outputs, "neuron")?))
    }

    fn multipliers(&mut self, layers: usize) -> Result<dual::Multipliers, Fault> {
        let network = self.network;
        network.layers()[..layers].iter().map(|l| (0..l.outputs).map(|_| self.signed()).collect()).collect()
    }

    /// A number from 0 to 2^40.
    fn weight(&mut self) -> Result<i64, Fault> {
        Ok(self.cursor.index(dual::MOST_MULTIPLIER as usize + 1, "weight")? as i64)
    }

    /// A number of at most 2^40 in size.
    fn signed(&mut self) -> Result<i64, Fault> {
        let coded = self.cursor.varint()?;
        match (coded >> 1) as i64 ^ -((coded & 1) as i64) {
            number if number.unsigned_abs() <= 1 << 50 => Ok(number),
            _ => self.cursor.fault("a number is too large"),
        }
    }
}

/// By how much all other outputs could be larger with the same certificate still accepted, which means that they stay at least so
/// far below the label's: a number that was tried. None for other certificates than whole proofs.
pub fn room(network: &[u8], query: &[u8], certificate: &[u8]) -> Option<i64> {
    let accepts = |margin: i64| matches!(check_with_margin(network, query, certificate, margin), Ok(Shown::Robust(_)));
    if !accepts(0) {
        return None;
    }
    let mut step = 1;
    while accepts(step) && step < 1 << 40 {
        step *= 2;
    }
    let mut room = step / 2;
    step = room;
    while step > 1 {
        step /= 2;
        room += if accepts(room + step) { step } else { 0 };
    }
    Some(room)
}
