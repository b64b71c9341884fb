//! Why a file cannot be read, or a certificate cannot be written.

/// An error about a file: it is not what the format asks for. It says nothing about whether its claims are true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The file is no JSON.
    #[error("`{file}` is not valid JSON: {problem}")]
    Json {
        /// The file.
        file: String,
        /// Line, column and reason.
        problem: String,
    },
    /// A field is missing or not as expected.
    #[error("`{file}`, field `{field}`: expected {expected}, found {found}")]
    Field {
        /// The file.
        file: String,
        /// Path of the field, such as `crown[3].loA[0]`.
        field: String,
        /// What was expected.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Two files do not fit together.
    #[error("{0}")]
    Mismatch(String),
    /// A certificate of this format cannot state this.
    #[error("cannot be stated in this format: {0}")]
    Inexpressible(String),
    /// What should be certified could not be proved.
    #[error("not proved, so nothing is written: {0}")]
    NotProved(String),
}
