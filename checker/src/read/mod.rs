//! Readers of the original files: bytes in, exact numbers out, or a reason why not. Total on hostile bytes: lengths are checked
//! before memory is taken, and no recursion follows the input.

pub mod onnx;
pub mod vnnlib;

use std::fmt;

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file is damaged, or it is not of this format.
    Unreadable(String),
    /// The file is well formed, but it holds something that the checker has no rule for.
    NotCertified(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Unreadable(why) => write!(f, "unreadable: {why}"),
            Error::NotCertified(what) => write!(f, "not certified: {what}"),
        }
    }
}

impl std::error::Error for Error {}

fn unreadable<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Unreadable(why.into()))
}

fn not_certified<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::NotCertified(what.into()))
}
