//! Every kind of error.
