//! From bounds on inputs to boxes: exact intersection, empty sets named by the constants that make them empty.

use std::collections::HashSet;
use std::sync::Arc;

use dashu::rational::RBig;

use super::error::{Fault, QueryErrorKind};
use super::formula::{Atom, AtomId, Claim, Element};
use crate::numerics::Decimal;
use crate::query::{Constraint, DecimalRange, Ranges, Region};

/// Why a conjunction has no input: one or two atoms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Empty(pub AtomId, pub Option<AtomId>);

const NONE: AtomId = AtomId::MAX;

/// The tightest bounds of one input so far; `NONE` where there is none.
#[derive(Clone, Copy, Debug)]
struct Ends {
    low: AtomId,
    high: AtomId,
}

/// Makes regions: the bounds of all assertions, each time with those of one disjunct on top.
pub(super) struct Regions<'a> {
    atoms: &'a [Atom],
    ends: Vec<Ends>,
    /// Cuts of all disjuncts: strict bounds and constraints over inputs.
    cuts: Vec<AtomId>,
    /// Inputs that the assertions alone leave unbounded.
    open: Vec<u32>,
    base: Option<Arc<[DecimalRange]>>,
}

impl<'a> Regions<'a> {
    /// Expects every input's number below `inputs`, and `inputs` to be honest: memory is reserved for each.
    pub fn new(atoms: &'a [Atom], inputs: usize, common: &[AtomId]) -> Result<Regions<'a>, Empty> {
        let ends = vec![Ends { low: NONE, high: NONE }; inputs];
        let mut regions = Regions { atoms, ends, cuts: Vec::new(), open: Vec::new(), base: None };
        let cuts = regions.apply(common)?;
        regions.check(0..inputs as u32, &cuts)?;
        regions.open = (0..inputs as u32).filter(|&i| !regions.is_bounded(i)).collect();
        regions.cuts = cuts;
        Ok(regions)
    }

    /// Number of cuts that every region carries.
    pub fn common_cuts(&self) -> usize {
        self.cuts.len()
    }

    /// The region of one disjunct, or why it is empty; a missing bound is an error.
    pub fn region(&mut self, disjunct: &[AtomId], name: impl Fn(u32) -> String) -> Result<Result<Region, Empty>, Fault> {
        let before = self.ends_of(disjunct);
        let region = self.try_region(disjunct, &before, name);
        before.into_iter().for_each(|(i, ends)| self.ends[i as usize] = ends);
        region
    }

    /// Leaves the disjunct's bounds in place; `touched` are the inputs that it bounds and their ends before.
    fn try_region(
        &mut self,
        disjunct: &[AtomId],
        touched: &[(u32, Ends)],
        name: impl Fn(u32) -> String,
    ) -> Result<Result<Region, Empty>, Fault> {
        let own_cuts = match self.apply(disjunct) {
            Ok(cuts) => cuts,
            Err(empty) => return Ok(Err(empty)),
        };
        let cuts = [&self.cuts[..], &own_cuts].concat();
        if let Err(empty) = self.check(touched.iter().map(|(i, _)| *i), &cuts) {
            return Ok(Err(empty));
        }
        if let Some(&i) = self.open.iter().find(|&&i| !self.is_bounded(i)) {
            return Err(self.missing_bound(i, disjunct, name));
        }
        if self.base.is_none() {
            self.base = Some(self.make_base(touched));
        }
        let base = self.base.as_ref().expect("just made");
        let ranges = touched.iter().map(|(i, _)| (*i as usize, self.range(*i)));
        let own = ranges.filter(|(i, range)| base[*i] != *range).collect();
        let ranges = Ranges::with(base.clone(), own);
        let binding = cuts.iter().filter(|&&cut| self.binds(cut));
        let mut cuts: Vec<Constraint> = binding.map(|&cut| constraint(&self.atoms[cut as usize], self.ends.len())).collect();
        let mut seen = HashSet::with_capacity(cuts.len());
        cuts.retain(|cut| seen.insert(cut.clone()));
        Ok(Ok(Region { ranges, cuts }))
    }

    /// The ranges that all disjuncts share; where an input is bounded in the disjuncts only, those of the first.
    fn make_base(&self, touched: &[(u32, Ends)]) -> Arc<[DecimalRange]> {
        let mut common: Vec<Option<Ends>> = vec![None; self.ends.len()];
        for &(i, before) in touched {
            common[i as usize] = Some(before).filter(|ends| ends.low != NONE && ends.high != NONE);
        }
        (0..self.ends.len()).map(|i| self.range_of(common[i].unwrap_or(self.ends[i]))).collect()
    }

    /// Tightens bounds by atoms; returns the atoms that may cut.
    fn apply(&mut self, atoms: &[AtomId]) -> Result<Vec<AtomId>, Empty> {
        let mut cuts = Vec::new();
        for &id in atoms {
            let atom = &self.atoms[id as usize];
            match &atom.claim {
                Claim::Lower(Element::Input(i), value) => {
                    let low = &mut self.ends[*i as usize].low;
                    if *low == NONE || value > bound_of(&self.atoms[*low as usize]) {
                        *low = id;
                    }
                }
                Claim::Upper(Element::Input(i), value) => {
                    let high = &mut self.ends[*i as usize].high;
                    if *high == NONE || value < bound_of(&self.atoms[*high as usize]) {
                        *high = id;
                    }
                }
                Claim::Truth(true) => continue,
                Claim::Truth(false) => return Err(Empty(id, None)),
                _ => cuts.push(id),
            }
            if atom.strict && !matches!(atom.claim, Claim::Linear(_)) {
                cuts.push(id);
            }
        }
        Ok(cuts)
    }

    /// The inputs that the atoms bound, ascending and distinct, with their present ends.
    fn ends_of(&self, atoms: &[AtomId]) -> Vec<(u32, Ends)> {
        let bounded = |&id: &AtomId| match self.atoms[id as usize].claim {
            Claim::Lower(Element::Input(i), _) | Claim::Upper(Element::Input(i), _) => Some(i),
            _ => None,
        };
        let mut inputs: Vec<u32> = atoms.iter().filter_map(bounded).collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs.into_iter().map(|i| (i, self.ends[i as usize])).collect()
    }

    /// Finds two atoms over one input that exclude each other.
    fn check(&self, mut touched: impl Iterator<Item = u32>, cuts: &[AtomId]) -> Result<(), Empty> {
        let crossed = |i: &u32| {
            let Ends { low, high } = self.ends[*i as usize];
            low != NONE && high != NONE && self.value(low) > self.value(high)
        };
        if let Some(i) = touched.find(crossed) {
            let Ends { low, high } = self.ends[i as usize];
            return Err(Empty(low, Some(high)));
        }
        let mut sides: Vec<Side> = cuts.iter().filter_map(|&cut| self.side(cut)).collect();
        let cut_inputs: Vec<u32> = sides.iter().map(|side| side.input).collect();
        for i in cut_inputs {
            let Ends { low, high } = self.ends[i as usize];
            sides.extend([low, high].into_iter().filter(|&end| end != NONE).filter_map(|end| self.side(end)));
        }
        sides.sort_by_key(|side| (side.input, side.upper));
        sides.chunk_by(|a, b| a.input == b.input).try_for_each(check_sides)
    }

    /// A bound or a cut over one input as a half line.
    fn side(&self, id: AtomId) -> Option<Side> {
        let atom = &self.atoms[id as usize];
        let side = |input, upper, value| Some(Side { input, upper, value, strict: atom.strict, id });
        match &atom.claim {
            Claim::Lower(Element::Input(i), value) => side(*i, false, value.to_rational()),
            Claim::Upper(Element::Input(i), value) => side(*i, true, value.to_rational()),
            Claim::Linear(linear) => match &linear.terms[..] {
                [(Element::Input(i), coefficient)] => {
                    let constant = linear.constant.as_ref().map_or(RBig::ZERO, Decimal::to_rational);
                    side(*i, coefficient.sign() < 0, -constant / coefficient.to_rational())
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// False for a strict bound that a tighter one makes superfluous.
    fn binds(&self, cut: AtomId) -> bool {
        match &self.atoms[cut as usize].claim {
            Claim::Lower(Element::Input(i), value) => value == self.value(self.ends[*i as usize].low),
            Claim::Upper(Element::Input(i), value) => value == self.value(self.ends[*i as usize].high),
            _ => true,
        }
    }

    fn value(&self, id: AtomId) -> &'a Decimal {
        bound_of(&self.atoms[id as usize])
    }

    fn is_bounded(&self, i: u32) -> bool {
        let Ends { low, high } = self.ends[i as usize];
        low != NONE && high != NONE
    }

    fn range(&self, i: u32) -> DecimalRange {
        self.range_of(self.ends[i as usize])
    }

    fn range_of(&self, ends: Ends) -> DecimalRange {
        DecimalRange { low: self.value(ends.low).clone(), high: self.value(ends.high).clone() }
    }

    fn missing_bound(&self, i: u32, disjunct: &[AtomId], name: impl Fn(u32) -> String) -> Fault {
        let name = name(i);
        let (side, sign) = if self.ends[i as usize].low == NONE { ("lower", ">=") } else { ("upper", "<=") };
        let message = format!("input {name} has no {side} bound: expected ({sign} {name} ...); every input needs both, in every disjunct");
        let at = disjunct.first().map(|&id| self.atoms[id as usize].at);
        Fault { kind: QueryErrorKind::MissingBound, at, message }
    }
}

/// A half line of one input.
struct Side {
    input: u32,
    upper: bool,
    value: RBig,
    strict: bool,
    id: AtomId,
}

/// Checks the half lines of one input, lower ones first.
fn check_sides(sides: &[Side]) -> Result<(), Empty> {
    let (lower, upper) = sides.split_at(sides.partition_point(|side| !side.upper));
    let tightest_low = lower.iter().max_by(|a, b| (&a.value, a.strict).cmp(&(&b.value, b.strict)));
    let tightest_high = upper.iter().min_by(|a, b| (&a.value, !a.strict).cmp(&(&b.value, !b.strict)));
    let (Some(low), Some(high)) = (tightest_low, tightest_high) else { return Ok(()) };
    let apart = low.value > high.value || (low.value == high.value && (low.strict || high.strict));
    if apart { Err(Empty(low.id, Some(high.id))) } else { Ok(()) }
}

/// The constant of a bound.
fn bound_of(atom: &Atom) -> &Decimal {
    match &atom.claim {
        Claim::Lower(_, value) | Claim::Upper(_, value) => value,
        Claim::Linear(_) | Claim::Truth(_) => unreachable!("only bounds are kept as ends"),
    }
}

/// An atom as a constraint over flat elements: inputs, then outputs.
pub(super) fn constraint(atom: &Atom, inputs: usize) -> Constraint {
    let flat = |element: Element| match element {
        Element::Input(i) => i as usize,
        Element::Output(i) => inputs + i as usize,
        Element::Hidden(_) => unreachable!("queries with hidden variables are refused"),
    };
    let (terms, constant) = match &atom.claim {
        Claim::Lower(x, value) => (vec![(flat(*x), Decimal::ONE)], -value),
        Claim::Upper(x, value) => (vec![(flat(*x), -Decimal::ONE)], value.clone()),
        Claim::Linear(linear) => {
            let terms = linear.terms.iter().map(|(x, c)| (flat(*x), c.clone())).collect();
            (terms, linear.constant.clone().unwrap_or(Decimal::ZERO))
        }
        Claim::Truth(holds) => (Vec::new(), Decimal::from(if *holds { 1 } else { -1 })),
    };
    Constraint { terms, constant, strict: atom.strict }
}
