//! Proof trees in pre-order: every wrong class is excluded over the whole box.

use super::bound::{MOST, State};
use super::network::{Network, Query, Range};
use super::signed;
use crate::Accepted;
use crate::certificate::{Cursor, Fault};

/// Longest path.
const DEEPEST: usize = 4096;

/// Records (docs/certificate.md, "Integer proofs"); of the splits, the odd ones put the second half first.
const NOTHING_LEFT: u8 = 0;
const LEAF: u8 = 1;
const SPLIT_HIDDEN: u8 = 2;
const SPLIT_INPUT: u8 = 4;
const SPLIT_LEVEL: u8 = 6;
const TIGHTEN_HIGH: u8 = 8;
const TIGHTEN_LOW: u8 = 9;
/// In partial certificates only.
const OPEN: u8 = 10;

struct Walk<'a, 'b> {
    network: &'a Network,
    label: usize,
    /// What is asked of the label's output beside being the first maximum: to be so again with this added to the others.
    margin: i64,
    partial: bool,
    cursor: Cursor<'b>,
    leaves: u64,
    /// The share of the present class that open leaves make up, by halves.
    open: f64,
}

/// Checks the trees of all wrong classes; says what they show.
pub fn check(network: &Network, query: &Query, cursor: Cursor, (margin, partial): (i64, bool)) -> Result<Accepted, Fault> {
    let mut walk = Walk { network, label: query.label, margin, partial, cursor, leaves: 0, open: 0.0 };
    let mut root = State::new(network, &query.input);
    let shared = walk.cursor.varint()?;
    for _ in 0..shared {
        let sign = match walk.cursor.byte()? {
            TIGHTEN_HIGH => 1,
            TIGHTEN_LOW => -1,
            other => return walk.cursor.fault(format!("record {other} is no tightening")),
        };
        walk.tighten(&mut root, sign)?;
    }
    let (classes, mut excluded, mut open) = (network.last().rows.len() - 1, 0, 0.0);
    for class in (0..=classes).filter(|c| *c != query.label) {
        let staircase = network.last().staircase(class);
        walk.tree(State { levels: (staircase.low + margin, staircase.high + margin), ..root.clone() }, class)?;
        excluded += (walk.open == 0.0) as usize;
        open += std::mem::take(&mut walk.open);
    }
    if walk.cursor.left() > 0 {
        return walk.cursor.fault("there are bytes after the last tree");
    }
    // However little is open, the proved share is below 1.
    let proved = if excluded == classes { 1.0 } else { (1.0 - open / classes as f64).min(1.0f64.next_down()) };
    let (leaves, disjuncts) = (walk.leaves, classes);
    Ok(Accepted { nodes: leaves, leaves, row_leaves: 0, open_row_leaves: 0, disjuncts, excluded, proved })
}

impl Walk<'_, '_> {
    fn tree(&mut self, root: State, class: usize) -> Result<(), Fault> {
        let mut open = vec![(root, 0)];
        while let Some((state, depth)) = open.pop() {
            if let Some((now, later)) = self.node(state, class, depth)? {
                open.extend([(later, depth + 1), (now, depth + 1)]);
                if open.len() > DEEPEST {
                    return self.cursor.fault(format!("a path has more than {DEEPEST} splits"));
                }
            }
        }
        Ok(())
    }

    /// One node below so many splits: closed, open or split in two.
    fn node(&mut self, mut state: State, class: usize, depth: i32) -> Result<Option<(State, State)>, Fault> {
        loop {
            match self.cursor.byte()? {
                NOTHING_LEFT => {
                    self.leaves += 1;
                    let open = !state.empty && !self.levels(&state, class).is_empty();
                    return if open { self.cursor.fault(format!("ranges alone do not exclude class {class} here")) } else { Ok(None) };
                }
                LEAF => {
                    self.leaves += 1;
                    return self.leaf(&state, class).map(|()| None);
                }
                TIGHTEN_HIGH => self.tighten(&mut state, 1)?,
                TIGHTEN_LOW => self.tighten(&mut state, -1)?,
                OPEN if self.partial => {
                    self.leaves += 1;
                    self.open += 0.5f64.powi(depth).max(f64::MIN_POSITIVE);
                    return Ok(None);
                }
                OPEN => return self.cursor.fault("a leaf is open, and the certificate is not partial"),
                kind @ SPLIT_HIDDEN..=7 => return self.split(state, kind).map(Some),
                other => return self.cursor.fault(format!("record {other} is not known")),
            }
        }
    }

    /// Conditions `a_class >= rise`, `a_label <= cap` of every level at which the ranges leave the target possible: class beats label
    /// if for some level k, class reaches k and label stays at most k (below k, if it comes first).
    fn levels(&self, state: &State, class: usize) -> Vec<(i64, i64)> {
        let last = self.network.last();
        let ranges = &state.accumulators[self.network.layers.len() - 1];
        let (of_class, of_label) = (ranges[class], ranges[self.label]);
        let wins_ties = i64::from(class < self.label);
        let conditions = |k: i64| {
            let rise = last.climb(class, k - self.margin).max(of_class.0);
            let cap = (last.climb(self.label, k + wins_ties) - 1).min(of_label.1);
            // Beyond the label's greatest value there is no limit.
            let cap = if k + wins_ties > last.staircase(self.label).high { of_label.1 } else { cap };
            (rise, cap)
        };
        let possible = |(rise, cap): &(i64, i64)| *rise <= of_class.1 && *cap >= of_label.0;
        (state.levels.0..=state.levels.1).map(conditions).filter(possible).collect()
    }

    /// `rise (a_class - rise(k)) + cap (cap(k) - a_label) < 0` for all inputs of the node and all levels.
    fn leaf(&mut self, state: &State, class: usize) -> Result<(), Fault> {
        let (rise, cap) = (self.weight()?, self.weight()?);
        let multipliers = self.multipliers(self.network.layers.len() - 1)?;
        let levels = self.levels(state, class);
        let (rise, cap) = (i128::from(rise), i128::from(cap));
        let at = |(r, c): &(i64, i64)| cap * i128::from(*c) - rise * i128::from(*r);
        let Some(worst) = levels.iter().map(at).max().filter(|_| !state.empty) else { return Ok(()) };
        let last = self.network.last();
        let rows = last.rows[class].iter().zip(&last.rows[self.label]);
        let objective = rows.map(|(&t, &y)| rise * i128::from(t) - cap * i128::from(y)).collect();
        let constant = worst + rise * i128::from(last.bias[class]) - cap * i128::from(last.bias[self.label]);
        let bound = constant + state.upper_bound(self.network, objective, &multipliers);
        if bound < 0 { Ok(()) } else { self.cursor.fault(format!("the multipliers do not exclude class {class}: their bound is {bound}")) }
    }

    fn weight(&mut self) -> Result<i64, Fault> {
        match self.cursor.varint()? {
            w if w <= MOST as u64 => Ok(w as i64),
            w => self.cursor.fault(format!("the weight {w} is too large")),
        }
    }

    /// Multipliers of all accumulators of the first layers.
    fn multipliers(&mut self, layers: usize) -> Result<Vec<Vec<i64>>, Fault> {
        let network = self.network;
        network.layers[..layers].iter().map(|l| (0..l.rows.len()).map(|_| self.multiplier()).collect()).collect()
    }

    fn multiplier(&mut self) -> Result<i64, Fault> {
        match signed(&mut self.cursor)? {
            m if m.unsigned_abs() <= MOST as u64 => Ok(m),
            m => self.cursor.fault(format!("the multiplier {m} is too large")),
        }
    }

    /// Narrows one hidden accumulator: `unit * sign * a` is at most the bound.
    fn tighten(&mut self, state: &mut State, sign: i64) -> Result<(), Fault> {
        let (layer, neuron) = self.neuron()?;
        let unit = self.weight()?;
        if unit == 0 {
            return self.cursor.fault("the unit is zero");
        }
        let multipliers = self.multipliers(layer)?;
        if state.empty {
            return Ok(());
        }
        let (of, scale) = (&self.network.layers[layer], i128::from(sign) * i128::from(unit));
        let objective = of.rows[neuron].iter().map(|&w| scale * i128::from(w)).collect();
        let bound = scale * i128::from(of.bias[neuron]) + state.upper_bound(self.network, objective, &multipliers);
        // An integer at most bound / unit is at most its floor; beyond the largest accumulators it says nothing.
        let most = i64::try_from(bound.div_euclid(i128::from(unit))).unwrap_or(i64::MAX);
        let meet = if sign > 0 { (i64::MIN, most) } else { (most.saturating_neg(), i64::MAX) };
        state.meet(layer, neuron, meet);
        if !state.empty {
            state.narrow(self.network, layer + 1);
        }
        Ok(())
    }

    fn neuron(&mut self) -> Result<(usize, usize), Fault> {
        let layer = self.cursor.index(self.network.layers.len() - 1, "hidden layer")?;
        Ok((layer, self.cursor.index(self.network.layers[layer].rows.len(), "neuron")?))
    }

    /// Two halves that cover the node, the one that comes first in the certificate first.
    fn split(&mut self, state: State, kind: u8) -> Result<(State, State), Fault> {
        let (mut below, mut above) = (state.clone(), state);
        let cut = |range: Range, last: i64| ((range.0, range.1.min(last)), (range.0.max(last.saturating_add(1)), range.1));
        match kind & !1 {
            SPLIT_HIDDEN => {
                let (layer, neuron) = self.neuron()?;
                let halves = cut(below.accumulators[layer][neuron], signed(&mut self.cursor)?);
                for (half, range) in [(&mut below, halves.0), (&mut above, halves.1)] {
                    half.meet(layer, neuron, range);
                    if !half.empty {
                        half.narrow(self.network, layer + 1);
                    }
                }
            }
            SPLIT_INPUT => {
                let index = self.cursor.index(below.input.len(), "input")?;
                let halves = cut(below.input[index], signed(&mut self.cursor)?);
                for (half, range) in [(&mut below, halves.0), (&mut above, halves.1)] {
                    let mut input = half.input.to_vec();
                    input[index] = range;
                    half.input = input.into();
                    half.empty |= range.0 > range.1;
                    if !half.empty {
                        half.narrow(self.network, 0);
                    }
                }
            }
            SPLIT_LEVEL => (below.levels, above.levels) = cut(below.levels, signed(&mut self.cursor)?),
            _ => return self.cursor.fault(format!("record {kind} is not known")),
        }
        Ok(if kind & 1 == 1 { (above, below) } else { (below, above) })
    }
}
