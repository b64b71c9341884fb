//! What is to be excluded: disjuncts as conjunctions of linear facts of outputs and inputs.

use crate::kernels::Kernel;

/// One linear function `g` of outputs and inputs; a counterexample needs `g >= 0` (or `> 0`).
#[derive(Clone, Debug, Default)]
pub struct Objective<F> {
    /// Coefficients of the outputs, rounded to `F`.
    pub outputs: Vec<F>,
    /// Coefficients of the inputs, rounded to `F`; empty if there are none.
    pub inputs: Vec<F>,
    /// The constant, rounded up.
    pub constant: f64,
    /// How far each output coefficient was rounded.
    pub output_error: f64,
    /// How far each input coefficient was rounded.
    pub input_error: f64,
    /// True if a counterexample needs `g > 0`.
    pub strict: bool,
}

/// All functions and the disjuncts that they make up.
#[derive(Clone, Debug, Default)]
pub struct Objectives<F> {
    /// The functions; each may serve several disjuncts.
    pub rows: Vec<Objective<F>>,
    /// For each disjunct the functions that a counterexample of it makes nonnegative.
    pub disjuncts: Vec<Vec<usize>>,
    /// Functions of the inputs alone that every input of the region makes nonnegative (cuts of the box).
    pub cuts: Vec<usize>,
}

impl<F: Kernel> Objectives<F> {
    /// The same objectives in a wider type.
    pub fn widen<G: Kernel>(&self) -> Objectives<G> {
        let turn = |v: &[F]| v.iter().map(|x| G::from_f64(x.to_f64())).collect();
        let row = |o: &Objective<F>| Objective {
            outputs: turn(&o.outputs),
            inputs: turn(&o.inputs),
            constant: o.constant,
            output_error: o.output_error,
            input_error: o.input_error,
            strict: o.strict,
        };
        Objectives { rows: self.rows.iter().map(row).collect(), disjuncts: self.disjuncts.clone(), cuts: self.cuts.clone() }
    }
}
