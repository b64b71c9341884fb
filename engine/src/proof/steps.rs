//! The steps of one node of a certificate, as bytes (docs/certificate.md).

use std::io;
use std::ops::Range;

/// A fact about a disjunct, as a certificate names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The disjunct's row of this number.
    Row(usize),
    /// The case's cut of this number.
    Cut(usize),
    /// The phase of this number on the path from the root.
    Phase(usize),
    /// The upper bound of a hinge of this number on the path from the root.
    Cap(usize),
}

/// Steps written one after the other.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    bytes: Vec<u8>,
}

impl Steps {
    /// Starts a new node.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What is written so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes back what was written after this many bytes.
    pub fn cut(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Fresh lines for all elements of open sign and all fixed ones.
    pub fn refresh_all(&mut self) {
        self.bytes.push(REFRESH_ALL);
    }

    /// Fresh lines of these elements of an activation of `len` elements.
    pub fn refresh_some(&mut self, activation: usize, len: usize, elements: impl Iterator<Item = usize>) {
        self.bytes.push(0x11);
        self.varint(activation as u64);
        let start = self.bytes.len();
        self.bytes.resize(start + len.div_ceil(8), 0);
        elements.for_each(|j| self.bytes[start + j / 8] |= 1 << (j % 8));
    }

    /// Fresh intervals of one activation by interval arithmetic.
    pub fn refresh_by_intervals(&mut self, activation: usize) {
        self.bytes.push(0x13);
        self.varint(activation as u64);
    }

    /// Fresh ends of one activation: `count` trees, each after twice its element, plus one for the lower end.
    pub fn refresh_by_trees(&mut self, activation: usize, count: usize, masks: &[u8], trees: &Steps) {
        self.bytes.push(0x12);
        self.varint(activation as u64);
        self.bytes.extend_from_slice(masks);
        self.varint(count as u64);
        self.bytes.extend_from_slice(&trees.bytes);
    }

    /// A disjunct is excluded by the tree of one of its rows.
    pub fn drop_by_tree(&mut self, disjunct: usize, row: usize, masks: &[u8], tree: &Steps) {
        self.bytes.push(0x23);
        self.varint(disjunct as u64);
        self.varint(row as u64);
        self.bytes.extend_from_slice(masks);
        self.bytes.extend_from_slice(&tree.bytes);
    }

    /// A split of a row's tree.
    pub fn tree_split(&mut self, activation: usize, element: usize) {
        self.bytes.push(1);
        self.varint(activation as u64);
        self.varint(element as u64);
    }

    /// A leaf of a row's tree: multipliers of the sides on its path, then slopes. Of an open one nothing is claimed.
    pub fn tree_leaf(&mut self, open: bool, betas: impl Iterator<Item = f32>, slopes: impl Iterator<Item = u8>) {
        self.bytes.push(if open { 2 } else { 0 });
        betas.for_each(|beta| self.bytes.extend(beta.to_le_bytes()));
        self.bytes.extend(slopes);
    }

    /// Ranges follow from a weighted sum: (activation, element), whether the default slope is kept, and a number for each
    /// multiplier that is given; the others are default slopes, or 0.
    pub fn narrow(&mut self, defaults: bool, weights: impl Iterator<Item = (Fact, f32)>, given: &[((usize, usize), bool, f32)]) {
        self.bytes.extend([0x14, defaults as u8]);
        self.weights(weights);
        self.varint(given.len() as u64);
        for &((activation, element), keeps, number) in given {
            self.varint(activation as u64);
            self.varint(2 * element as u64 + keeps as u64);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    /// An upper bound of a hinge (activation, element) in inputs (none) and hinges (activation), with their elements and
    /// coefficients.
    pub fn cap(&mut self, hinge: (usize, usize), terms: &[(Option<usize>, usize, f32)]) {
        self.bytes.push(0x31);
        for number in [hinge.0, hinge.1, terms.len()] {
            self.varint(number as u64);
        }
        for &(activation, element, number) in terms {
            self.varint(activation.map_or(0, |a| a as u64 + 1));
            self.varint(element as u64);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    /// Ends the node: first a disjunct, then the other open ones.
    pub fn split_disjuncts(&mut self, disjunct: usize) {
        self.bytes.push(0x42);
        self.varint(disjunct as u64);
    }

    /// A disjunct is excluded by one of its rows.
    pub fn drop_row(&mut self, disjunct: usize, row: usize) {
        self.bytes.push(0x20);
        self.varint(disjunct as u64);
        self.varint(row as u64);
    }

    /// A disjunct is excluded by a weighted sum of facts.
    pub fn drop_combined(&mut self, disjunct: usize, weights: impl Iterator<Item = (Fact, f32)>) {
        self.bytes.push(0x21);
        self.varint(disjunct as u64);
        self.weights(weights);
    }

    /// A disjunct is excluded as its facts leave nothing of the box.
    pub fn drop_clipped(&mut self, disjunct: usize, weights: impl Iterator<Item = (Fact, f32)>) {
        self.bytes.push(0x22);
        self.varint(disjunct as u64);
        self.weights(weights);
    }

    /// The box shrinks; `lists` holds the weights of each open disjunct.
    pub fn clip(&mut self, lists: &Steps) {
        self.bytes.push(0x30);
        self.bytes.extend_from_slice(&lists.bytes);
    }

    /// A list of weights; those that are zero are left out.
    pub fn weights(&mut self, weights: impl Iterator<Item = (Fact, f32)>) {
        let start = self.bytes.len();
        let mut count = 0u64;
        for (fact, weight) in weights.filter(|(_, w)| *w != 0.0) {
            let reference = match fact {
                Fact::Row(i) => 4 * i as u64,
                Fact::Cut(i) => 4 * i as u64 + 1,
                Fact::Phase(i) => 4 * i as u64 + 2,
                Fact::Cap(i) => 4 * i as u64 + 3,
            };
            self.varint(reference);
            self.bytes.extend(weight.to_le_bytes());
            count += 1;
        }
        let end = self.bytes.len();
        self.varint(count);
        // The count comes first.
        let length = self.bytes.len() - end;
        self.bytes[start..].rotate_right(length);
    }

    /// Ends the node: an input is split. The length of the first child is added when the tree is put in order.
    pub fn split_input(&mut self, input: usize, at: f64) {
        self.bytes.push(0x40);
        self.varint(input as u64);
        self.bytes.extend(at.to_le_bytes());
    }

    /// Ends the node: a neuron's phase is split.
    pub fn split_neuron(&mut self, activation: usize, element: usize) {
        self.bytes.push(0x41);
        self.varint(activation as u64);
        self.varint(element as u64);
    }

    /// Ends the node: no disjunct is open.
    pub fn leaf(&mut self) {
        self.bytes.push(0x50);
    }

    /// Ends the node: the rest of it is open.
    pub fn open(&mut self) {
        self.bytes.push(OPEN);
    }

    /// Goes on after the steps of a node that was left open.
    pub fn resume(&mut self, steps: &[u8]) {
        self.bytes.extend_from_slice(steps);
    }

    /// Ends the node: an interval is empty.
    pub fn empty(&mut self) {
        self.bytes.push(0x51);
    }

    /// A number.
    pub fn varint(&mut self, value: u64) {
        varint(&mut self.bytes, value);
    }
}

/// Fresh lines everywhere.
pub(super) const REFRESH_ALL: u8 = 0x10;
/// Ends a node of which nothing is claimed.
pub const OPEN: u8 = 0x52;

/// Appends `value` as unsigned LEB128.
pub fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// Proved.
    Closed,
    /// Nothing is claimed.
    Open,
    /// Two children follow.
    Split(Split),
}

/// A split, as it stands in a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// An input's range.
    Input {
        /// Which input.
        input: usize,
        /// Where.
        at: f64,
    },
    /// A pre-activation, at 0.
    Neuron {
        /// Activation, in the order of the network's nodes.
        activation: usize,
        /// Its element.
        element: usize,
    },
    /// This disjunct, and the other open ones.
    Disjunct(usize),
}

impl End {
    /// The disjuncts that are open in a child, of those that are open at the node's end.
    pub fn open(&self, open: &[u32], second: bool) -> Vec<u32> {
        let stays = |&&d: &&u32| !matches!(self, End::Split(Split::Disjunct(only)) if (d as usize == *only) == second);
        open.iter().filter(stays).copied().collect()
    }
}

/// The steps of one node in short.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// How it ends.
    pub end: End,
    /// Where the step that ends it starts.
    pub ending: usize,
    /// Bytes, without the length of a first child.
    pub length: usize,
    /// Its lines are refreshed.
    pub refreshed: bool,
    /// Its box is clipped.
    pub clipped: bool,
    /// Some of its steps are row trees.
    pub row_trees: bool,
    /// Where the trees lie that leave their disjuncts open.
    pub parts: Vec<Range<usize>>,
}

/// Reads the steps of one node from the start of `bytes`; activations have `lens` elements. Disjuncts that it drops leave `open`.
pub(super) fn read(bytes: &[u8], lens: &[usize], open: &mut Vec<u32>) -> io::Result<Node> {
    let mut rest = bytes;
    let mut node = Node { end: End::Open, ending: 0, length: 0, refreshed: false, clipped: false, row_trees: false, parts: Vec::new() };
    node.end = loop {
        node.ending = bytes.len() - rest.len();
        match take::<1>(&mut rest)?[0] {
            REFRESH_ALL => node.refreshed = true,
            0x11 => {
                let activation = number(&mut rest)?;
                let own = lens.get(activation).ok_or_else(|| damaged("a step names an activation that does not exist"))?;
                skip_masks(&mut rest, &[*own])?;
            }
            0x20 => {
                let disjunct = number(&mut rest)?;
                number(&mut rest)?;
                open.retain(|&d| d as usize != disjunct);
            }
            0x21 | 0x22 => {
                let disjunct = number(&mut rest)?;
                skip_weights(&mut rest)?;
                open.retain(|&d| d as usize != disjunct);
            }
            0x14 => {
                take::<1>(&mut rest)?;
                skip_weights(&mut rest)?;
                skip_numbers(&mut rest)?;
            }
            0x31 => {
                number(&mut rest)?;
                number(&mut rest)?;
                skip_numbers(&mut rest)?;
            }
            0x12 => {
                let activation = number(&mut rest)?;
                let below = lens.get(..activation).ok_or_else(|| damaged("a step names an activation that does not exist"))?;
                let slopes = skip_masks(&mut rest, below)?;
                for _ in 0..number(&mut rest)? {
                    number(&mut rest)?;
                    skip_tree(&mut rest, slopes)?;
                }
                node.row_trees = true;
            }
            0x13 => drop(number(&mut rest)?),
            0x23 => {
                let disjunct = number(&mut rest)?;
                number(&mut rest)?;
                let slopes = skip_masks(&mut rest, lens)?;
                match skip_tree(&mut rest, slopes)? {
                    true => open.retain(|&d| d as usize != disjunct),
                    false => node.parts.push(node.ending..bytes.len() - rest.len()),
                }
                node.row_trees = true;
            }
            0x30 => {
                (0..open.len()).try_for_each(|_| skip_weights(&mut rest))?;
                node.clipped = true;
            }
            0x40 => break End::Split(Split::Input { input: number(&mut rest)?, at: f64::from_le_bytes(take(&mut rest)?) }),
            0x41 => break End::Split(Split::Neuron { activation: number(&mut rest)?, element: number(&mut rest)? }),
            0x42 => break End::Split(Split::Disjunct(number(&mut rest)?)),
            0x50 | 0x51 => break End::Closed,
            OPEN => break End::Open,
            other => return Err(damaged(format!("{other:#x} is no step"))),
        }
    };
    node.length = bytes.len() - rest.len();
    Ok(node)
}

/// What follows a number.
pub(super) fn skip_varint(mut bytes: &[u8]) -> io::Result<&[u8]> {
    number(&mut bytes)?;
    Ok(bytes)
}

/// A certificate that cannot be read.
pub(super) fn damaged(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the certificate is damaged: {}", why.into()))
}

fn skip_weights(rest: &mut &[u8]) -> io::Result<()> {
    for _ in 0..number(rest)? {
        number(rest)?;
        take::<4>(rest)?;
    }
    Ok(())
}

/// A list of two numbers and four bytes each.
fn skip_numbers(rest: &mut &[u8]) -> io::Result<()> {
    for _ in 0..number(rest)? {
        number(rest)?;
        number(rest)?;
        take::<4>(rest)?;
    }
    Ok(())
}

/// Leaves out masks of elements; returns how many are set.
fn skip_masks(rest: &mut &[u8], lens: &[usize]) -> io::Result<usize> {
    let mut set = 0;
    for _ in 0..lens.iter().map(|len| len.div_ceil(8)).sum::<usize>() {
        set += take::<1>(rest)?[0].count_ones() as usize;
    }
    Ok(set)
}

/// Leaves out one row tree whose leaves have so many slopes; true if none of them is open.
fn skip_tree(rest: &mut &[u8], slopes: usize) -> io::Result<bool> {
    // True where the second child is under way.
    let (mut path, mut whole): (Vec<bool>, bool) = (Vec::new(), true);
    loop {
        match take::<1>(rest)?[0] {
            1 => {
                number(rest)?;
                number(rest)?;
                path.push(false);
                continue;
            }
            leaf => whole &= leaf != 2,
        }
        *rest = rest.get(4 * path.len() + slopes..).ok_or_else(|| damaged("it ends early"))?;
        while path.pop_if(|second| *second).is_some() {}
        match path.last_mut() {
            Some(second) => *second = true,
            None => return Ok(whole),
        }
    }
}

/// Reads unsigned LEB128.
pub(super) fn number(rest: &mut &[u8]) -> io::Result<usize> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take::<1>(rest)?[0];
        value |= ((byte & 0x7f) as u64) << shift;
        if byte < 0x80 {
            return usize::try_from(value).map_err(|_| damaged("a number is too large"));
        }
    }
    Err(damaged("a number is too long"))
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or_else(|| damaged("it ends early"))?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        let mut bytes = Vec::new();
        for value in [0, 127, 128, 300, u64::MAX] {
            varint(&mut bytes, value);
        }
        let most = [0xff; 9].into_iter().chain([1]);
        assert_eq!(bytes, [0, 127, 0x80, 1, 0xac, 2].into_iter().chain(most).collect::<Vec<u8>>());
    }

    #[test]
    fn weights_start_with_their_count_and_leave_out_zeros() {
        let mut steps = Steps::default();
        steps.drop_combined(3, [(Fact::Row(0), 0.5), (Fact::Cut(1), 0.0), (Fact::Phase(2), 1.0)].into_iter());
        let [half, one] = [0.5f32.to_le_bytes(), 1f32.to_le_bytes()];
        let expected = [&[0x21, 3, 2, 0][..], &half, &[10], &one].concat();
        assert_eq!(steps.bytes(), expected);
    }
}
