//! Expands the conditions of a query to its cases.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::ParsedQuery;
use super::error::{Fault, QueryError, QueryErrorKind};
use super::formula::{Atom, AtomId, Claim, Element, Formula, NodeId, Size};
use super::region::{Empty, Regions, constraint};
use crate::query::{Case, Constraint, Query, Region};

impl ParsedQuery<'_> {
    /// The declared networks, also of queries that are not supported.
    pub fn networks(&self) -> &[crate::query::NetworkDeclaration] {
        &self.networks
    }

    /// Expands the conditions; refuses what is not supported, unbounded, empty or too large.
    pub fn build(self) -> Result<Query, QueryError> {
        if let Some(fault) = &self.conditions.unsupported {
            return Err(self.source.error(fault.clone()));
        }
        let mut query = Query { networks: self.networks.clone(), legacy: self.legacy, cases: Vec::new(), notes: self.notes.clone() };
        let expansion = Expansion { parsed: &self, inputs: query.input_len(), names: query.clone() };
        let (cases, dropped) = expansion.cases().map_err(|fault| self.source.error(fault))?;
        query.cases = cases;
        query.notes.extend(dropped.note());
        if query.cases.is_empty() && !self.options.allow_empty {
            return Err(self.source.error(dropped.fault()));
        }
        Ok(query)
    }
}

/// The conjuncts of a query, sorted.
#[derive(Default)]
struct Conjuncts {
    /// Atoms over inputs that hold throughout.
    bounds: Vec<AtomId>,
    /// Atoms over outputs that hold throughout.
    asked: Vec<AtomId>,
    /// Disjunctions over inputs.
    regions: Vec<NodeId>,
    /// Disjunctions that mention outputs.
    others: Vec<NodeId>,
}

/// Disjuncts without an input.
#[derive(Default)]
struct Dropped {
    count: usize,
    total: usize,
    first: Option<(String, usize)>,
}

impl Dropped {
    fn note(&self) -> Option<String> {
        let (reason, _) = self.first.as_ref()?;
        Some(format!("{} of {} disjuncts have no input and are dropped; the first: {reason}", self.count, self.total))
    }

    fn fault(&self) -> Fault {
        let (reason, at) = self.first.clone().unwrap_or_default();
        let which = if self.total > 1 { format!("none of its {} disjuncts has; the first: ", self.total) } else { String::new() };
        let message = format!("the query has no input: {which}{reason}. Correct the constants, or pass --allow-empty");
        Fault::new(QueryErrorKind::EmptyInput, at, message)
    }
}

struct Expansion<'p, 'a> {
    parsed: &'p ParsedQuery<'a>,
    inputs: usize,
    /// For the names of elements.
    names: Query,
}

impl<'p> Expansion<'p, '_> {
    fn formula(&self) -> &'p Formula {
        &self.parsed.conditions.formula
    }

    fn atoms(&self) -> &'p [Atom] {
        &self.formula().atoms
    }

    fn cases(&self) -> Result<(Vec<Case>, Dropped), Fault> {
        self.check_every_input_is_mentioned()?;
        let conjuncts = self.conjuncts();
        let mut regions = match Regions::new(self.atoms(), self.inputs, &conjuncts.bounds) {
            Ok(regions) => regions,
            Err(empty) => {
                let mut dropped = Dropped::default();
                self.drop_disjunct(&mut dropped, empty);
                return Ok((Vec::new(), dropped));
            }
        };
        let formula = self.formula();
        let size = |nodes: &[NodeId]| nodes.iter().fold(Size::ONE, |size, &node| size.and(formula.size(node)));
        let (in_size, out_size) = (size(&conjuncts.regions), size(&conjuncts.others));
        let (cuts, asked) = (regions.common_cuts() as f64, conjuncts.asked.len() as f64);
        let with = |size: Size, more: f64| Size { disjuncts: size.disjuncts, atoms: size.atoms + size.disjuncts * more };
        if conjuncts.others.iter().any(|&node| formula.has_bounds(node)) {
            self.check_size(with(in_size.and(out_size), cuts + asked))?;
            self.mixed_cases(&conjuncts, &mut regions)
        } else {
            self.check_size(with(in_size, cuts))?;
            self.check_size(with(out_size, asked))?;
            self.separate_cases(&conjuncts, &mut regions)
        }
    }

    /// Every region asks the same, so that the disjuncts are shared.
    fn separate_cases(&self, conjuncts: &Conjuncts, regions: &mut Regions) -> Result<(Vec<Case>, Dropped), Fault> {
        let asked = self.formula().disjuncts(&conjuncts.others);
        let disjuncts = Arc::new(asked.iter().map(|own| self.constraints(&conjuncts.asked, own)).collect::<Vec<_>>());
        let (mut grouped, mut dropped) = (Grouped::default(), Dropped::default());
        for own in self.formula().disjuncts(&conjuncts.regions) {
            dropped.total += 1;
            match self.region(regions, &own)? {
                Ok(region) => {
                    grouped.position(region);
                }
                Err(empty) => self.drop_disjunct(&mut dropped, empty),
            }
        }
        let case = |region| Case { region, disjuncts: disjuncts.clone() };
        Ok((grouped.regions.into_iter().map(case).collect(), dropped))
    }

    /// Disjuncts with inputs and outputs together; those of equal regions are grouped.
    fn mixed_cases(&self, conjuncts: &Conjuncts, regions: &mut Regions) -> Result<(Vec<Case>, Dropped), Fault> {
        let atoms = self.atoms();
        let others = self.formula().disjuncts(&conjuncts.others);
        let (mut grouped, mut dropped) = (Grouped::default(), Dropped::default());
        let mut disjuncts: Vec<Vec<Vec<Constraint>>> = Vec::new();
        for outer in self.formula().disjuncts(&conjuncts.regions) {
            for other in &others {
                dropped.total += 1;
                let (asked, bounds): (Vec<AtomId>, Vec<AtomId>) = other.iter().partition(|&&id| atoms[id as usize].is_asked());
                match self.region(regions, &[&outer[..], &bounds].concat())? {
                    Ok(region) => {
                        let at = grouped.position(region);
                        disjuncts.resize_with(grouped.regions.len(), Vec::new);
                        disjuncts[at].push(self.constraints(&conjuncts.asked, &asked));
                    }
                    Err(empty) => self.drop_disjunct(&mut dropped, empty),
                }
            }
        }
        let cases = grouped.regions.into_iter().zip(disjuncts);
        Ok((cases.map(|(region, own)| Case { region, disjuncts: Arc::new(own) }).collect(), dropped))
    }

    fn conjuncts(&self) -> Conjuncts {
        let formula = self.formula();
        let mut conjuncts = Conjuncts::default();
        for node in self.parsed.root.map_or(Vec::new(), |root| formula.conjuncts(root)) {
            match formula.as_atom(node) {
                Some(atom) if formula.asks(node) => conjuncts.asked.push(atom),
                Some(atom) => conjuncts.bounds.push(atom),
                None if formula.asks(node) => conjuncts.others.push(node),
                None => conjuncts.regions.push(node),
            }
        }
        conjuncts
    }

    fn region(&self, regions: &mut Regions, atoms: &[AtomId]) -> Result<Result<Region, Empty>, Fault> {
        regions.region(atoms, |i| self.names.element_name(i as usize))
    }

    fn constraints(&self, common: &[AtomId], own: &[AtomId]) -> Vec<Constraint> {
        common.iter().chain(own).map(|&id| constraint(&self.atoms()[id as usize], self.inputs)).collect()
    }

    fn check_size(&self, size: Size) -> Result<(), Fault> {
        let options = self.parsed.options;
        let too_large = |what: &str, found: f64, limit: usize| {
            let message = format!("this query expands to {found:.3e} {what}; the limit is {limit}. Split it into several queries");
            Err(Fault::whole(QueryErrorKind::TooLarge, message))
        };
        if size.disjuncts > options.max_disjuncts as f64 {
            return too_large("disjuncts", size.disjuncts, options.max_disjuncts);
        }
        if size.atoms > options.max_atoms as f64 {
            return too_large("comparisons over all disjuncts", size.atoms, options.max_atoms);
        }
        Ok(())
    }

    /// Refuses inputs without any bound before memory is reserved for them: a declaration of 2^30 inputs takes few bytes.
    fn check_every_input_is_mentioned(&self) -> Result<(), Fault> {
        if self.inputs <= self.atoms().len() {
            return Ok(());
        }
        let mut mentioned: Vec<u32> = Vec::new();
        for atom in self.atoms() {
            if let Claim::Lower(Element::Input(i), _) | Claim::Upper(Element::Input(i), _) = atom.claim {
                mentioned.push(i);
            }
        }
        mentioned.sort_unstable();
        mentioned.dedup();
        let first = mentioned.iter().zip(0..).position(|(&i, expected)| i != expected).unwrap_or(mentioned.len());
        let name = self.names.element_name(first);
        let message = format!("input {name} has no bounds: expected (>= {name} ...) and (<= {name} ...); every input needs both");
        Err(Fault::whole(QueryErrorKind::MissingBound, message))
    }

    fn drop_disjunct(&self, dropped: &mut Dropped, empty: Empty) {
        dropped.count += 1;
        dropped.total = dropped.total.max(1);
        if dropped.first.is_none() {
            let Empty(first, second) = empty;
            let reason = match second {
                None => format!("{} is false", self.describe(first)),
                Some(second) => format!("{} and {} exclude each other", self.describe(first), self.describe(second)),
            };
            let at = second.map_or(first, |second| first.max(second));
            dropped.first = Some((reason, self.atoms()[at as usize].at));
        }
    }

    /// `X_0 >= 0.7 (line 12)`.
    fn describe(&self, id: AtomId) -> String {
        let atom = &self.atoms()[id as usize];
        let line = self.parsed.source.line(atom.at);
        let (sign, mirrored) = if atom.strict { (">", "<") } else { (">=", "<=") };
        let name = |element: &Element| match element {
            Element::Input(i) => self.names.element_name(*i as usize),
            Element::Output(i) => self.names.element_name(self.inputs + *i as usize),
            Element::Hidden(_) => "a hidden variable".into(),
        };
        match &atom.claim {
            Claim::Lower(x, value) => format!("{} {sign} {value} (line {line})", name(x)),
            Claim::Upper(x, value) => format!("{} {mirrored} {value} (line {line})", name(x)),
            Claim::Linear(_) | Claim::Truth(_) => format!("the comparison on line {line}"),
        }
    }
}

/// Distinct regions in the order in which they come.
#[derive(Default)]
struct Grouped {
    regions: Vec<Region>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

impl Grouped {
    fn position(&mut self, region: Region) -> usize {
        let hash = self.hasher.hash_one((region.ranges.own(), &region.cuts));
        let same_hash = self.by_hash.entry(hash).or_default();
        if let Some(&at) = same_hash.iter().find(|&&at| self.regions[at] == region) {
            return at;
        }
        same_hash.push(self.regions.len());
        self.regions.push(region);
        self.regions.len() - 1
    }
}
