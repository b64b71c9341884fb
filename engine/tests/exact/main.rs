//! Laws of the exact treatment of piecewise-linear networks: no bound, cut or consequence loses a counterexample.

mod laws;
mod networks;
