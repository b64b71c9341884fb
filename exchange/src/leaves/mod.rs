//! `abcrown_leaf_artifact_v0_1`: the leaves of a branch and bound over inputs, as alpha-beta-CROWN reports them.
//!
//! A leaf is closed when a lower bound of some row exceeds its threshold. Three things are checked: the numbers say so, the leaves
//! cover the root, and, given network and query, every stated bound is proved again and the root holds the query's inputs.

mod coverage;
mod derive;
mod produce;
mod property;
mod read;

pub use coverage::{Coverage, coverage};
pub use derive::Limits;
pub use produce::{Effort, write};
pub use property::Property;
pub use read::{FORMAT, Leaf, Leaves, read};

use engine::graph::Graph;
use engine::query::Query;

use crate::json::shown;
use crate::{ExchangeError, Judgement};

/// Judges leaves on their own; with a network and its query also whether they prove it.
pub fn judge(leaves: &Leaves, about: Option<(&Graph, &Query)>, limits: &Limits) -> Result<Judgement, ExchangeError> {
    if let Err(why) = leaves.consistent().and_then(|()| covered(leaves)) {
        return Ok(Judgement::Rejected(why));
    }
    let count = leaves.leaves.len();
    let Some((graph, query)) = about else {
        return Ok(Judgement::Unproved(vec![
            format!("the leaves ({count}) cover the root, and each states a bound above its threshold"),
            "no bound was proved again: give network and query before the certificate".into(),
        ]));
    };
    let property = Property::new(query)?;
    Ok(match property.fits(leaves).and_then(|()| derive::all(graph, &property, leaves, limits)) {
        Err(why) => Judgement::Rejected(why),
        Ok(()) => Judgement::Accepted(vec![
            format!("all bounds of all leaves ({count}) were proved again, and the leaves cover the query's inputs"),
            "the query holds (unsat) for the real network".into(),
        ]),
    })
}

fn covered(leaves: &Leaves) -> Result<(), String> {
    match coverage(leaves) {
        Coverage::Covered => Ok(()),
        Coverage::Undecided => Err("the leaves overlap so much that coverage cannot be decided in reasonable time".into()),
        Coverage::Hole(point) => {
            let mut text: Vec<String> = point.iter().take(8).map(shown).collect();
            text.extend((point.len() > 8).then(|| "...".into()));
            Err(format!("the leaves do not cover the root: no leaf holds ({})", text.join(", ")))
        }
    }
}
