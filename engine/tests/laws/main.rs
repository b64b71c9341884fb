//! Laws of operators, held with exact signs: the reference is exact rational arithmetic, or a high-precision enclosure
//! where a function is transcendental. No law has a tolerance.

mod affine;
mod elementary;
mod general;
mod reference;
mod registry;
mod samples;
mod scalar;
