//! What can be wrong with a query, and where.

use std::fmt::{Display, Formatter};

/// The class of a [`QueryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryErrorKind {
    /// Not of the form that the grammar demands: parentheses, unknown words, wrong number of operands.
    Syntax,
    /// A malformed or absurdly large number.
    Number,
    /// A declaration that is wrong, repeated, missing or out of place, or an undeclared variable.
    Declaration,
    /// An extension of VNN-LIB in strict mode.
    Extension,
    /// Valid, but not yet supported here: say so rather than call the file wrong.
    Unsupported,
    /// An input without a lower or upper bound.
    MissingBound,
    /// No input satisfies the query's constraints.
    EmptyInput,
    /// Larger than the limits.
    TooLarge,
    /// Query and network do not fit each other.
    Mismatch,
}

/// A query that cannot be read: where, what was expected, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The class of the error.
    pub kind: QueryErrorKind,
    /// The file's name as the caller gave it; may be empty.
    pub file: String,
    /// Line and column, from 1, where the problem has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong and how to put it right.
    pub message: String,
}

impl Display for QueryError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.file.is_empty() { "query" } else { &self.file })?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for QueryError {}

/// An error on its way out of the parser: the place is still a byte offset.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub kind: QueryErrorKind,
    pub at: Option<usize>,
    pub message: String,
}

impl Fault {
    pub fn new(kind: QueryErrorKind, at: usize, message: impl Into<String>) -> Fault {
        Fault { kind, at: Some(at), message: message.into() }
    }

    pub fn syntax(at: usize, message: impl Into<String>) -> Fault {
        Fault::new(QueryErrorKind::Syntax, at, message)
    }

    pub fn declaration(at: usize, message: impl Into<String>) -> Fault {
        Fault::new(QueryErrorKind::Declaration, at, message)
    }

    /// An error about the query as a whole.
    pub fn whole(kind: QueryErrorKind, message: impl Into<String>) -> Fault {
        Fault { kind, at: None, message: message.into() }
    }
}

/// The text of a query and its file's name: turns offsets into places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub text: &'a [u8],
    pub file: &'a str,
}

impl Source<'_> {
    /// Line and column of a byte, both from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        (line, column)
    }

    pub fn line(&self, at: usize) -> usize {
        self.place(at).0
    }

    pub fn error(&self, fault: Fault) -> QueryError {
        let place = fault.at.map(|at| self.place(at));
        QueryError { kind: fault.kind, file: self.file.into(), place, message: fault.message }
    }
}

/// Bytes of a file for a message: printable, and not too many.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(40)].escape_ascii();
    if bytes.len() > 40 { format!("`{shown}...`") } else { format!("`{shown}`") }
}
