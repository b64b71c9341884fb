//! The rows of a query as leaves count them: `row . (x, y)` and the threshold that it has to exceed.

use std::sync::Arc;

use engine::numerics::Decimal;
use engine::query::{Case, Constraint, DecimalRange, Query, Region};

use super::read::{Leaf, Leaves};
use crate::ExchangeError;
use crate::json::{Number, shown};
use crate::nodes::Ends;

/// All constraints of the query's one case, disjunct after disjunct. A counterexample satisfies `terms + constant >= 0` for all
/// constraints of a disjunct; its row is `-terms`, its threshold `constant`, so a row above its threshold excludes the disjunct.
pub struct Property<'q> {
    /// The query.
    pub query: &'q Query,
    /// Its one case.
    pub case: &'q Case,
    /// Constraints in order.
    pub rows: Vec<&'q Constraint>,
    /// Which rows belong to each disjunct.
    pub disjuncts: Vec<Vec<usize>>,
}

impl<'q> Property<'q> {
    /// The rows of a query over one input set.
    pub fn new(query: &'q Query) -> Result<Property<'q>, ExchangeError> {
        let [case] = &query.cases[..] else {
            let problem = format!("a query over {} input sets: leaves are about one", query.cases.len());
            return Err(ExchangeError::Inexpressible(problem));
        };
        let mut rows = Vec::new();
        let mut disjuncts = Vec::new();
        for disjunct in case.disjuncts.iter() {
            disjuncts.push((rows.len()..rows.len() + disjunct.len()).collect());
            rows.extend(disjunct);
        }
        Ok(Property { query, case, rows, disjuncts })
    }

    /// Do the leaves speak about this property: its inputs, its rows, its thresholds?
    pub fn fits(&self, leaves: &Leaves) -> Result<(), String> {
        let ranges = &self.case.region.ranges;
        if ranges.len() != leaves.root.len() {
            return Err(format!("the query has {} inputs, the root {}", ranges.len(), leaves.root.len()));
        }
        for (i, range) in ranges.iter().enumerate() {
            let (low, high) = (&leaves.root.low[i].exact, &leaves.root.high[i].exact);
            if range.low < *low || range.high > *high {
                let (low, high, own) = (shown(low), shown(high), format!("[{}, {}]", shown(&range.low), shown(&range.high)));
                return Err(format!("input {i}: the root [{low}, {high}] leaves out a part of the query's {own}"));
            }
        }
        for (at, leaf) in leaves.leaves.iter().enumerate() {
            self.leaf_fits(leaf).map_err(|problem| format!("leaf {at}: {problem}"))?;
        }
        Ok(())
    }

    fn leaf_fits(&self, leaf: &Leaf) -> Result<(), String> {
        if leaf.lower_bounds.len() != self.rows.len() {
            return Err(format!("{} rows, the query has {} constraints", leaf.lower_bounds.len(), self.rows.len()));
        }
        for (i, (own, row)) in leaf.thresholds.iter().zip(&self.rows).enumerate() {
            if !is_rounded(own, &row.constant) {
                return Err(format!("threshold[{i}] is {}, the query's is {}", shown(&own.exact), shown(&row.constant)));
            }
        }
        match self.disjuncts.iter().position(|rows| !rows.iter().any(|&r| self.excludes(r, &leaf.lower_bounds[r]))) {
            Some(d) => Err(format!("no lb is above the query's own threshold in disjunct {d}")),
            None => Ok(()),
        }
    }

    /// True if a row that is at least `bound` cannot meet its constraint.
    pub fn excludes(&self, row: usize, bound: &Number) -> bool {
        let rest = &bound.exact - &self.rows[row].constant;
        rest.sign() > 0 || self.rows[row].strict && rest.is_zero()
    }

    /// The query that some row of a leaf is below its claimed bound somewhere in the leaf.
    pub fn doubt(&self, leaf: &Leaf) -> Query {
        let broken = |(row, bound): (&&Constraint, &Number)| {
            vec![Constraint { terms: row.terms.clone(), constant: bound.exact.clone(), strict: true }]
        };
        let disjuncts = Arc::new(self.rows.iter().zip(&leaf.lower_bounds).map(broken).collect());
        let case = Case { region: Region { ranges: ranges(&leaf.region), cuts: Vec::new() }, disjuncts };
        Query { cases: vec![case], notes: Vec::new(), ..self.query.clone() }
    }
}

fn ranges(ends: &Ends) -> engine::query::Ranges {
    ends.low.iter().zip(&ends.high).map(|(l, h)| DecimalRange { low: l.exact.clone(), high: h.exact.clone() }).collect()
}

/// True if `stated` is `x`, or `x` rounded to binary64 or binary32: tools write thresholds that they rounded. What excludes a leaf is
/// compared with `x` itself.
fn is_rounded(stated: &Number, x: &Decimal) -> bool {
    let is =
        |y: f64| Decimal::from_f64(y).is_some_and(|y| y == stated.exact) || Decimal::shortest_f64(y).is_some_and(|y| y == stated.exact);
    stated.exact == *x || is(x.to_f64()) || is(x.to_f32().into())
}
