//! The steps of one node of a certificate, as bytes (docs/certificate.md).

/// A fact about a disjunct, as a certificate names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The disjunct's row of this number.
    Row(usize),
    /// The case's cut of this number.
    Cut(usize),
    /// The phase of this number on the path from the root.
    Phase(usize),
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

    /// Fresh lines for all elements of open sign and all fixed ones.
    pub fn refresh_all(&mut self) {
        self.bytes.push(0x10);
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

    /// Ends the node: an interval is empty.
    pub fn empty(&mut self) {
        self.bytes.push(0x51);
    }

    fn varint(&mut self, value: u64) {
        varint(&mut self.bytes, value);
    }
}

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
