//! From the conjunction of all assertions to cases: input regions with what is asked over them.

use std::collections::HashMap;

use super::expression::{Conditions, MOST_ATOMS, Part};
use crate::exact::Rational;
use crate::query::{Case, Constraint};
use crate::read::{Error, not_certified};

/// The cases of a query over so many input elements.
pub(super) fn cases(inputs: usize, mut conditions: Conditions, parts: Vec<Part>) -> Result<Vec<Case>, Error> {
    let atoms = std::mem::take(&mut conditions.atoms);
    if inputs > atoms.len() {
        return not_certified("an input without bounds");
    }
    let asks = |id: &u32| !atoms[*id as usize].outputs.is_empty();
    let (mut common, mut asked, mut regions, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut mixed = false;
    for part in parts {
        match &part {
            Part::Atom(id) if asks(id) => asked.push(*id),
            Part::Atom(id) => common.push(*id),
            Part::Or(disjuncts) if disjuncts.iter().flatten().any(asks) => {
                mixed |= disjuncts.iter().flatten().any(|id| !asks(id));
                others.push(part);
            }
            Part::Or(_) => regions.push(part),
        }
    }
    let (regions, others) = (conditions.product(regions)?, conditions.product(others)?);
    let size = |list: &[Vec<u32>], common: usize| list.iter().fold(0usize, |n, disjunct| n.saturating_add(disjunct.len() + common));
    let most = size(&others, asked.len() + 1).saturating_mul(regions.len()).saturating_add(regions.len().saturating_mul(2 * inputs));
    if most > 8 * MOST_ATOMS {
        return not_certified(format!("a query that expands to about {most} numbers"));
    }
    let disjunct = |own: &[u32]| asked.iter().chain(own).filter(|id| asks(id)).map(|&id| atoms[id as usize].clone()).collect::<Vec<_>>();
    let mut found = Found::default();
    for outer in &regions {
        if mixed {
            for other in &others {
                let of_inputs = other.iter().copied().filter(|id| !asks(id));
                let bounds: Vec<u32> = common.iter().chain(outer).copied().chain(of_inputs).collect();
                if let Some(case) = region(inputs, &atoms, &bounds)? {
                    let place = found.place(case);
                    found.cases[place].disjuncts.push(disjunct(other));
                }
            }
        } else if let Some(case) = region(inputs, &atoms, &[&common[..], outer].concat())? {
            let place = found.place(case);
            if found.cases[place].disjuncts.is_empty() {
                found.cases[place].disjuncts = others.iter().map(|own| disjunct(own)).collect();
            }
        }
    }
    Ok(found.cases)
}

/// Distinct regions in the order in which they come.
#[derive(Default)]
struct Found {
    cases: Vec<Case>,
    /// Places of cases by a hash of their ends.
    by_ends: HashMap<u64, Vec<usize>>,
}

impl Found {
    fn place(&mut self, case: Case) -> usize {
        let mix = |hash: u64, end: &Rational| (hash.rotate_left(5) ^ end.down().to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let places = self.by_ends.entry(case.low.iter().chain(&case.high).fold(0, mix)).or_default();
        let same = |&&place: &&usize| {
            let Case { low, high, cuts, .. } = &self.cases[place];
            (low, high, cuts) == (&case.low, &case.high, &case.cuts)
        };
        if let Some(&place) = places.iter().find(same) {
            return place;
        }
        places.push(self.cases.len());
        self.cases.push(case);
        self.cases.len() - 1
    }
}

/// The region of these constraints, without disjuncts; `None` if it is empty.
fn region(inputs: usize, atoms: &[Constraint], bounds: &[u32]) -> Result<Option<Case>, Error> {
    let (mut low, mut high): (Vec<Option<Rational>>, _) = (vec![None; inputs], vec![None; inputs]);
    let mut cuts: Vec<&Constraint> = Vec::new();
    for constraint in bounds.iter().map(|&id| &atoms[id as usize]) {
        match bound(constraint) {
            Some((i, true)) => tighten(&mut low[i], constraint.constant.negated(), |new, old| new > old),
            Some((i, false)) => tighten(&mut high[i], constraint.constant.clone(), |new, old| new < old),
            None if !constraint.inputs.is_empty() => {}
            None if excludes(constraint, &constraint.constant) => return Ok(None),
            None => continue,
        }
        if constraint.strict || bound(constraint).is_none() {
            cuts.push(constraint);
        }
    }
    let crossed = |(low, high): (&Option<Rational>, &Option<Rational>)| matches!((low, high), (Some(low), Some(high)) if low > high);
    if low.iter().zip(&high).any(crossed) {
        return Ok(None);
    }
    let open = (0..inputs).find(|&i| low[i].is_none() || high[i].is_none());
    let (low, high): (Vec<_>, Vec<_>) = (low.into_iter().flatten().collect(), high.into_iter().flatten().collect());
    if let Some(i) = open {
        return not_certified(format!("a region without a bound on one side of input {i}"));
    }
    for cut in &cuts {
        if let [(i, coefficient)] = &cut.inputs[..] {
            let end = if coefficient.sign() > 0 { &high[*i] } else { &low[*i] };
            if excludes(cut, &coefficient.times(end).plus(&cut.constant)) {
                return Ok(None);
            }
        }
    }
    // A strict bound that a tighter one makes superfluous is no cut.
    let binds = |cut: &Constraint| match bound(cut) {
        Some((i, true)) => low[i] == cut.constant.negated(),
        Some((i, false)) => high[i] == cut.constant,
        None => true,
    };
    let mut kept: Vec<Constraint> = Vec::new();
    for cut in cuts {
        if binds(cut) && !kept.contains(cut) {
            kept.push(cut.clone());
        }
    }
    Ok(Some(Case { low, high, cuts: kept, disjuncts: Vec::new() }))
}

fn tighten(end: &mut Option<Rational>, value: Rational, better: impl Fn(&Rational, &Rational) -> bool) {
    if end.as_ref().is_none_or(|old| better(&value, old)) {
        *end = Some(value);
    }
}

/// The input that a comparison with a constant bounds, and whether from below.
fn bound(constraint: &Constraint) -> Option<(usize, bool)> {
    match &constraint.inputs[..] {
        [(i, coefficient)] if *coefficient == Rational::one() => Some((*i, true)),
        [(i, coefficient)] if *coefficient == Rational::one().negated() => Some((*i, false)),
        _ => None,
    }
}

/// Whether a constraint is violated where its left side is at most `most`.
fn excludes(constraint: &Constraint, most: &Rational) -> bool {
    most.sign() < 0 || (most.is_zero() && constraint.strict)
}
