//! What is wrong with an input file, where, and what to do about it.

use std::io;
use std::path::Path;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be read at all.
    #[error("{file}: cannot be read: {source}; check the path and its permissions")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file as a whole is not what it should be.
    #[error("{file}: {problem}; {remedy}")]
    Content {
        /// The file.
        file: String,
        /// What was found, and what was expected.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// One place in the file is not what it should be.
    #[error("{file}: {place}: {problem}; {remedy}")]
    Place {
        /// The file.
        file: String,
        /// A node or a line.
        place: String,
        /// What was found, and what was expected.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl InputError {
    /// The file cannot be read.
    pub fn read(file: &Path, source: io::Error) -> InputError {
        InputError::Read { file: file.display().to_string(), source }
    }

    /// The file as a whole is wrong.
    pub fn content(file: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> InputError {
        InputError::Content { file: file.display().to_string(), problem: problem.into(), remedy: remedy.into() }
    }

    /// A node or a line of the file is wrong.
    pub fn place(file: &Path, place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> InputError {
        InputError::Place { file: file.display().to_string(), place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }
}
