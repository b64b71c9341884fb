//! A query: read from VNN-LIB, or made from a box and disjuncts.

use std::sync::Arc;

use engine::input::vnnlib::{self, ParseOptions};
use engine::numerics::{Decimal, Random};
use engine::query::{self, Case, Constraint, DecimalRange, NetworkDeclaration, Query as Asked, Variable, VariableKind};
use pyo3::prelude::*;

use crate::arrays::decimal;
use crate::errors::{of_query, value};
use crate::region::Region;

/// One inequality: (element, coefficient) pairs, the constant, and whether it is strict. Elements: inputs, then outputs.
type Inequality = (Vec<(usize, String)>, String, bool);

/// What must not happen: an input region and, as an OR of ANDs, what outputs break the property there.
#[pyclass(frozen, module = "ironbound._native")]
pub struct Query {
    pub asked: Arc<Asked>,
}

#[pymethods]
impl Query {
    /// Reads VNN-LIB text, version 1.0 or 2.x.
    #[staticmethod]
    #[pyo3(signature = (text, name, strict=false, allow_empty=false))]
    fn parse(py: Python<'_>, text: &[u8], name: String, strict: bool, allow_empty: bool) -> PyResult<Query> {
        let options = ParseOptions { file: name, strict, allow_empty, ..ParseOptions::default() };
        let asked = py.detach(|| vnnlib::read_query(text, &options)).map_err(of_query)?;
        Ok(Query { asked: Arc::new(asked) })
    }

    /// All inputs of a box, cut by inequalities over inputs; an input breaks the property if it satisfies every inequality
    /// of one disjunct.
    #[staticmethod]
    fn of_box(region: &Region, cuts: Vec<Inequality>, disjuncts: Vec<Vec<Inequality>>, outputs: usize) -> PyResult<Query> {
        let ranges = region.ranges.clone();
        let inputs = ranges.len();
        let all = |list: Vec<Inequality>, most| list.into_iter().map(|c| constraint(c, most)).collect::<PyResult<Vec<_>>>();
        let cuts = all(cuts, inputs)?;
        let disjuncts = disjuncts.into_iter().map(|d| all(d, inputs + outputs)).collect::<PyResult<Vec<_>>>()?;
        let cases = match disjuncts.is_empty() {
            true => Vec::new(),
            false => vec![Case { region: query::Region { ranges, cuts }, disjuncts: Arc::new(disjuncts) }],
        };
        let variable = |name: &str, kind, len| Variable { name: name.into(), kind, element: "Real".into(), shape: vec![len] };
        let variables = vec![variable("X", VariableKind::Input, inputs), variable("Y", VariableKind::Output, outputs)];
        let networks = vec![NetworkDeclaration { name: String::new(), relation: None, variables }];
        Ok(Query { asked: Arc::new(Asked { networks, legacy: true, cases, notes: Vec::new() }) })
    }

    /// Number of input elements.
    #[getter]
    fn inputs(&self) -> usize {
        self.asked.input_len()
    }

    /// Number of output elements.
    #[getter]
    fn outputs(&self) -> usize {
        self.asked.output_len()
    }

    /// Number of input regions.
    #[getter]
    fn cases(&self) -> usize {
        self.asked.cases.len()
    }

    /// Number of disjuncts over all regions.
    #[getter]
    fn disjuncts(&self) -> usize {
        self.asked.disjunct_count()
    }

    /// The same question about a random part of every region: a box between two random points, close to `near` if given.
    #[pyo3(signature = (seed, near=None))]
    fn part(&self, seed: u64, near: Option<Vec<String>>) -> PyResult<Query> {
        let mut random = Random::new(seed);
        let near = near.map(|point| point.iter().map(|x| Ok(decimal(x)?.to_f64())).collect::<PyResult<Vec<f64>>>()).transpose()?;
        let reach = near.as_ref().map_or(1.0, |_| 0.5f64.powi(1 + (seed % 12) as i32));
        let mut asked = (*self.asked).clone();
        for case in &mut asked.cases {
            let one = |(i, range): (usize, &DecimalRange)| {
                let centre = near.as_ref().and_then(|point| point.get(i)).copied();
                between(range, centre, reach, &mut random)
            };
            case.region.ranges = case.region.ranges.iter().enumerate().map(one).collect();
        }
        Ok(Query { asked: Arc::new(asked) })
    }

    /// The box of region `case`.
    fn region(&self, case: usize) -> PyResult<Region> {
        let case = self.asked.cases.get(case).ok_or_else(|| value(format!("there is no region {case}")))?;
        Ok(Region { ranges: case.region.ranges.clone() })
    }
}

/// A random part of a range, exactly inside it: of all of it, or of its neighbourhood of `centre` reduced by `reach`.
fn between(range: &DecimalRange, centre: Option<f64>, reach: f64, random: &mut Random) -> DecimalRange {
    let (low, high) = (range.low.to_f64(), range.high.to_f64());
    let towards = |end: f64| centre.map_or(end, |c| c + (end - c) * reach);
    let (low, high) = (towards(low), towards(high));
    let mut inside =
        || Decimal::from_f64(low + (high - low) * f64::from(random.unit())).map_or_else(|| range.low.clone(), |x| range.clamp(&x));
    let (a, b) = (inside(), inside());
    if a <= b { DecimalRange { low: a, high: b } } else { DecimalRange { low: b, high: a } }
}

fn constraint((mut terms, constant, strict): Inequality, elements: usize) -> PyResult<Constraint> {
    terms.sort_by_key(|t| t.0);
    if let Some(term) = terms.iter().find(|t| t.0 >= elements) {
        return Err(value(format!("element {} of {elements}", term.0)));
    }
    if let Some(twice) = terms.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(value(format!("element {} appears twice", twice[0].0)));
    }
    let mut exact = Vec::with_capacity(terms.len());
    for (element, coefficient) in terms {
        let coefficient = decimal(&coefficient)?;
        if !coefficient.is_zero() {
            exact.push((element, coefficient));
        }
    }
    Ok(Constraint { terms: exact, constant: decimal(&constant)?, strict })
}
