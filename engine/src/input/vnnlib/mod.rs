//! Reader of VNN-LIB 1.0 (the SMT-LIB subset of the competitions) and 2.x queries; constants are exact decimals.
//!
//! `text -> lexer -> declarations (legacy, standard) and conditions (expression) -> formula -> build -> Query`

mod arithmetic;
mod build;
mod check;
mod error;
mod expression;
mod formula;
mod legacy;
mod region;
mod standard;
mod symbols;

#[cfg(test)]
mod tests;

mod lexer;

pub use check::check_against;
pub use error::{QueryError, QueryErrorKind};

use error::{Fault, Source};
use expression::{Conditions, Extension};
use formula::{Connective, NodeId};
use lexer::{Lexer, Token};

use crate::query::{NetworkDeclaration, Query};

/// How a query is read.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// The file's name, for messages.
    pub file: String,
    /// Refuse what VNN-LIB 2 does not have, such as exponents, instead of noting it.
    pub strict: bool,
    /// Accept a query that no input satisfies; it then has no cases.
    pub allow_empty: bool,
    /// Most input regions, and most disjuncts, that nested `and` and `or` may expand to.
    pub max_disjuncts: usize,
    /// Most atoms over all of them.
    pub max_atoms: usize,
}

impl Default for ParseOptions {
    fn default() -> ParseOptions {
        ParseOptions { file: String::new(), strict: false, allow_empty: false, max_disjuncts: 1_000_000, max_atoms: 8_000_000 }
    }
}

/// A query read as far as its text goes: declarations and conditions, not yet expanded to cases.
#[derive(Debug)]
pub struct ParsedQuery<'a> {
    source: Source<'a>,
    options: &'a ParseOptions,
    legacy: bool,
    networks: Vec<NetworkDeclaration>,
    conditions: Conditions,
    /// The conjunction of all assertions; `None` without assertions.
    root: Option<NodeId>,
    notes: Vec<String>,
}

/// Reads the text of a query; compressed files are unpacked before.
pub fn parse_query<'a>(text: &'a [u8], options: &'a ParseOptions) -> Result<ParsedQuery<'a>, QueryError> {
    let source = Source { text, file: &options.file };
    parse(source, options).map_err(|fault| source.error(fault))
}

/// Reads a query and expands it to its cases.
pub fn read_query(text: &[u8], options: &ParseOptions) -> Result<Query, QueryError> {
    parse_query(text, options)?.build()
}

fn parse<'a>(source: Source<'a>, options: &'a ParseOptions) -> Result<ParsedQuery<'a>, Fault> {
    let mut lexer = Lexer::new(source.text);
    let mut reading = Reading { conditions: Conditions::new(source.text.len()), asserted: Vec::new(), notes: Vec::new() };
    lexer.expect(Token::Open, "at the start of a VNN-LIB query")?;
    let first = lexer.word("a command")?;
    let legacy = first != b"vnnlib-version";
    let networks = if legacy {
        legacy::read(&mut lexer, first, &mut reading)?
    } else {
        standard::read(&mut lexer, source, options.strict, &mut reading)?
    };
    let Reading { mut conditions, asserted, notes } = reading;
    let root = (!asserted.is_empty()).then(|| conditions.formula.add_group(Connective::And, &asserted));
    Ok(ParsedQuery { source, options, legacy, networks, conditions, root, notes })
}

/// What both versions collect.
struct Reading {
    conditions: Conditions,
    asserted: Vec<NodeId>,
    notes: Vec<String>,
}

/// Counts the extensions in use, for one note each.
#[derive(Default)]
struct Extensions {
    seen: Vec<(Extension, usize, usize)>,
}

impl Extensions {
    fn count(&mut self, extension: Extension, at: usize) {
        match self.seen.iter_mut().find(|(other, ..)| *other == extension) {
            Some((_, _, count)) => *count += 1,
            None => self.seen.push((extension, at, 1)),
        }
    }

    fn notes(&self, source: Source) -> Vec<String> {
        let note = |(extension, at, count): &(Extension, usize, usize)| {
            let line = source.line(*at);
            format!("{} ({count} times, first on line {line}): an extension, VNN-LIB 2 has none of it", describe(*extension))
        };
        self.seen.iter().map(note).collect()
    }
}

fn describe(extension: Extension) -> &'static str {
    match extension {
        Extension::Exponent => "a number with an exponent",
        Extension::NumberForm => "a number with `+`, or without digits on both sides of its point",
        Extension::SingleEqual => "`=` in place of `==`",
    }
}
