//! What can go wrong with digits files and options: each message names the file, the field and what was expected.

use std::path::PathBuf;

/// An error of the `digits` commands.
#[derive(Debug, thiserror::Error)]
pub enum DigitsError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not JSON.
    #[error("`{file}` is not valid JSON: {source}")]
    Json {
        /// The file.
        file: String,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// A field of a file is missing or not as expected.
    #[error("`{file}`, field `{field}`: expected {expected}, found {found}")]
    Field {
        /// The file.
        file: String,
        /// Path of the field, such as `examples[3].x[0]`.
        field: String,
        /// What was expected.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Two files, or a file and an option, do not fit together.
    #[error("{0}")]
    Mismatch(String),
    /// A network that was read is inconsistent.
    #[error("the network cannot be built: {0}")]
    Graph(String),
}
