//! Sets of inputs: boxes of exact decimals, cut by linear constraints.

use std::ops::Index;
use std::sync::Arc;

use super::Constraint;
use crate::numerics::Decimal;

/// A closed range of one input element, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecimalRange {
    /// Lower end.
    pub low: Decimal,
    /// Upper end.
    pub high: Decimal,
}

impl DecimalRange {
    /// True if `x` lies inside.
    pub fn contains(&self, x: &Decimal) -> bool {
        self.low <= *x && *x <= self.high
    }

    /// The nearest number inside.
    pub fn clamp(&self, x: &Decimal) -> Decimal {
        x.clamp_to(&self.low, &self.high)
    }
}

/// One range per input element: a base that many regions share, and the elements where this one differs.
///
/// A query of thousands of boxes over a wide input so costs no more memory than its file.
#[derive(Clone, Debug)]
pub struct Ranges {
    base: Arc<[DecimalRange]>,
    own: Vec<(usize, DecimalRange)>,
}

impl Ranges {
    /// The ranges of `base`, except for `own`: ascending, distinct elements of the base.
    pub fn with(base: Arc<[DecimalRange]>, own: Vec<(usize, DecimalRange)>) -> Ranges {
        debug_assert!(own.is_sorted_by(|a, b| a.0 < b.0) && own.last().is_none_or(|last| last.0 < base.len()));
        Ranges { base, own }
    }

    /// The elements that differ from the shared base.
    pub fn own(&self) -> &[(usize, DecimalRange)] {
        &self.own
    }

    /// Number of input elements.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    /// All ranges, in order of the elements.
    pub fn iter(&self) -> impl Iterator<Item = &DecimalRange> {
        let mut own = self.own.iter().peekable();
        let of_element = move |(i, range)| own.next_if(|(element, _)| *element == i).map_or(range, |(_, own)| own);
        self.base.iter().enumerate().map(of_element)
    }
}

impl Index<usize> for Ranges {
    type Output = DecimalRange;
    fn index(&self, i: usize) -> &DecimalRange {
        match self.own.binary_search_by_key(&i, |(element, _)| *element) {
            Ok(at) => &self.own[at].1,
            Err(_) => &self.base[i],
        }
    }
}

impl From<Vec<DecimalRange>> for Ranges {
    fn from(all: Vec<DecimalRange>) -> Ranges {
        Ranges { base: all.into(), own: Vec::new() }
    }
}

impl FromIterator<DecimalRange> for Ranges {
    fn from_iter<I: IntoIterator<Item = DecimalRange>>(all: I) -> Ranges {
        Ranges { base: all.into_iter().collect(), own: Vec::new() }
    }
}

impl PartialEq for Ranges {
    fn eq(&self, other: &Ranges) -> bool {
        let same = Arc::ptr_eq(&self.base, &other.base) && self.own == other.own;
        same || (self.len() == other.len() && self.iter().eq(other.iter()))
    }
}

/// A set of inputs: a box, cut by further linear constraints over inputs (strict bounds stand here too).
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// One range per input element.
    pub ranges: Ranges,
    /// Constraints over inputs only.
    pub cuts: Vec<Constraint>,
}

impl Region {
    /// True if `input` lies in the box and satisfies every cut, exactly.
    pub fn contains(&self, input: &[Decimal]) -> bool {
        input.len() == self.ranges.len()
            && self.ranges.iter().zip(input).all(|(range, x)| range.contains(x))
            && self.cuts.iter().all(|cut| cut.holds_decimal(|i| &input[i]))
    }
}
