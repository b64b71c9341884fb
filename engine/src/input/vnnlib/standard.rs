//! VNN-LIB 2.0 and 2.1: version, network declarations, assertions.

use super::error::{Fault, QueryErrorKind, Source, quoted};
use super::expression::{Dialect, Extension};
use super::lexer::{Lexer, Token};
use super::symbols::{Reference, Symbols, parse_index};
use super::{Extensions, Reading, describe};
use crate::query::{NetworkDeclaration, Relation, Variable, VariableKind};

struct Standard {
    symbols: Symbols,
    strict: bool,
    extensions: Extensions,
}

impl<'a> Dialect<'a> for Standard {
    fn variable(&mut self, word: &'a [u8], lexer: &mut Lexer<'a>) -> Result<Reference, Fault> {
        let at = lexer.at;
        let indices = if lexer.peek()? == Token::OpenBracket { read_indices(lexer)? } else { Vec::new() };
        self.symbols.resolve(word, &indices, at)
    }

    fn extension(&mut self, extension: Extension, at: usize) -> Result<(), Fault> {
        if self.strict {
            let message = format!("{} is not VNN-LIB 2: rewrite it, or read without --strict", describe(extension));
            return Err(Fault::new(QueryErrorKind::Extension, at, message));
        }
        self.extensions.count(extension, at);
        Ok(())
    }

    fn needs_variable(&self) -> bool {
        true
    }
}

/// Reads everything after `(vnnlib-version`.
pub(super) fn read(lexer: &mut Lexer, source: Source, strict: bool, reading: &mut Reading) -> Result<Vec<NetworkDeclaration>, Fault> {
    read_version(lexer)?;
    let mut standard = Standard { symbols: Symbols::default(), strict, extensions: Extensions::default() };
    loop {
        match lexer.next()? {
            Token::Open => {}
            Token::End => break,
            found => return Err(Fault::syntax(lexer.at, format!("expected `(` before a command, found {}", found.describe()))),
        }
        let at = lexer.at;
        match lexer.word("`declare-network` or `assert`")? {
            b"declare-network" if !reading.asserted.is_empty() => {
                return Err(Fault::declaration(at, "networks are declared before the first assertion: move this declaration up"));
            }
            b"declare-network" => read_network(lexer, &mut standard.symbols, reading)?,
            b"assert" => {
                let node = reading.conditions.read(lexer, &mut standard)?;
                reading.asserted.push(node);
                lexer.expect(Token::Close, "after the condition of `assert`")?;
            }
            other => {
                let message = format!("unknown command {}: expected `declare-network` or `assert`", quoted(other));
                return Err(Fault::syntax(lexer.at, message));
            }
        }
    }
    if standard.symbols.networks.is_empty() {
        return Err(Fault::whole(QueryErrorKind::Declaration, "no network is declared: expected (declare-network NAME ...)"));
    }
    reading.notes.extend(standard.extensions.notes(source));
    Ok(standard.symbols.networks)
}

/// `<2.0>)`.
fn read_version(lexer: &mut Lexer) -> Result<(), Fault> {
    let mut version = Vec::new();
    loop {
        match lexer.next()? {
            Token::Word(word) if version.len() < 40 => version.extend_from_slice(word),
            Token::Close => break,
            found => return Err(Fault::syntax(lexer.at, format!("expected a version such as <2.0>, found {}", found.describe()))),
        }
    }
    match &version[..] {
        b"<2.0>" | b"<2.1>" => Ok(()),
        _ => {
            let message = format!("version {} is not supported: <2.0> and <2.1> are, and 1.0, which has no version line", quoted(&version));
            Err(Fault::new(QueryErrorKind::Unsupported, lexer.at, message))
        }
    }
}

/// `NAME [(equal-to NAME)] (declare-input ...)+ (declare-hidden ...)* (declare-output ...)+ )`.
fn read_network(lexer: &mut Lexer, symbols: &mut Symbols, reading: &mut Reading) -> Result<(), Fault> {
    let name = lexer.word("the name of a network")?;
    let at = lexer.at;
    symbols.declare_network(name, at)?;
    if symbols.networks.len() == 2 {
        reading.conditions.not_supported(unsupported(at, "a query over several networks"));
    }
    loop {
        match lexer.next()? {
            Token::Open => read_member(lexer, symbols, reading)?,
            Token::Close => break,
            found => return Err(Fault::syntax(lexer.at, format!("expected a declaration or `)`, found {}", found.describe()))),
        }
    }
    let network = symbols.networks.last().expect("just declared");
    for (kind, word) in [(VariableKind::Input, "declare-input"), (VariableKind::Output, "declare-output")] {
        if !network.variables.iter().any(|variable| variable.kind == kind) {
            let message = format!("network `{}` has no ({word} ...): every input and output of the model is declared", network.name);
            return Err(Fault::declaration(at, message));
        }
    }
    Ok(())
}

/// One clause of a network, after its parenthesis.
fn read_member(lexer: &mut Lexer, symbols: &mut Symbols, reading: &mut Reading) -> Result<(), Fault> {
    let at = lexer.at;
    let word = lexer.word("`declare-input`, `declare-hidden` or `declare-output`")?;
    if matches!(word, b"equal-to" | b"isomorphic-to") {
        read_relation(lexer, word == b"equal-to", symbols)?;
        return lexer.expect(Token::Close, "after the network's name");
    }
    let rank = match word {
        b"declare-input" => 0,
        b"declare-hidden" => 1,
        b"declare-output" => 2,
        other => {
            let message = format!("expected `declare-input`, `declare-hidden` or `declare-output`, found {}", quoted(other));
            return Err(Fault::syntax(lexer.at, message));
        }
    };
    let before = symbols.networks.last().and_then(|network| network.variables.last());
    if before.is_some_and(|variable| rank_of(&variable.kind) > rank) {
        return Err(Fault::declaration(at, "inputs are declared first, then hidden variables, then outputs: reorder them"));
    }
    let name = lexer.word("the name of a variable")?;
    let name_at = lexer.at;
    let name = String::from_utf8_lossy(name).into_owned();
    let element = String::from_utf8_lossy(lexer.word("an element type such as float32")?).into_owned();
    let shape = read_shape(lexer)?;
    let kind = match rank {
        0 => VariableKind::Input,
        1 => read_hidden(lexer, reading)?,
        _ => VariableKind::Output,
    };
    if rank == 0 && lexer.peek()? == Token::Word(b"initialized") {
        lexer.next()?;
        reading.conditions.not_supported(unsupported(lexer.at, "an `initialized` input"));
    }
    symbols.declare_variable(Variable { name, kind, element, shape }, name_at)?;
    lexer.expect(Token::Close, "after the declaration")
}

fn rank_of(kind: &VariableKind) -> u32 {
    match kind {
        VariableKind::Input => 0,
        VariableKind::Hidden(_) => 1,
        VariableKind::Output => 2,
    }
}

fn read_hidden(lexer: &mut Lexer, reading: &mut Reading) -> Result<VariableKind, Fault> {
    match lexer.next()? {
        Token::Quoted(tensor) => {
            reading.conditions.not_supported(unsupported(lexer.at, "a hidden variable"));
            Ok(VariableKind::Hidden(String::from_utf8_lossy(tensor).into_owned()))
        }
        found => Err(Fault::syntax(lexer.at, format!("expected the quoted name of a tensor of the model, found {}", found.describe()))),
    }
}

/// The network named after `equal-to` or `isomorphic-to`: an earlier one without such a clause.
fn read_relation(lexer: &mut Lexer, equal: bool, symbols: &mut Symbols) -> Result<(), Fault> {
    let name = lexer.word("the name of a network")?;
    let at = lexer.at;
    let (own, earlier) = symbols.networks.split_last_mut().expect("inside a declaration");
    if own.relation.is_some() || !own.variables.is_empty() {
        return Err(Fault::syntax(at, "one `equal-to` or `isomorphic-to` stands directly after the network's name"));
    }
    match earlier.iter().find(|network| network.name.as_bytes() == name) {
        Some(network) if network.relation.is_none() => {
            let name = network.name.clone();
            own.relation = Some(if equal { Relation::EqualTo(name) } else { Relation::IsomorphicTo(name) });
            Ok(())
        }
        Some(network) => {
            let message = format!("network `{}` itself refers to another: name that one here", network.name);
            Err(Fault::declaration(at, message))
        }
        None => Err(Fault::declaration(at, format!("no network {} is declared before", quoted(name)))),
    }
}

/// `[2,3]`, or `[]` for a scalar.
fn read_shape(lexer: &mut Lexer) -> Result<Vec<usize>, Fault> {
    if lexer.peek()? != Token::OpenBracket {
        let found = lexer.next()?;
        return Err(Fault::syntax(lexer.at, format!("expected a shape such as [1,5], found {}", found.describe())));
    }
    let at = lexer.at;
    let shape = read_indices(lexer)?;
    if shape.contains(&0) {
        return Err(Fault::declaration(at, "a dimension of 0: every dimension of a shape is at least 1"));
    }
    Ok(shape)
}

/// Numbers in brackets, separated by commas.
fn read_indices(lexer: &mut Lexer) -> Result<Vec<usize>, Fault> {
    lexer.expect(Token::OpenBracket, "before indices")?;
    let mut indices = Vec::new();
    if lexer.peek()? == Token::CloseBracket {
        lexer.next()?;
        return Ok(indices);
    }
    loop {
        let word = lexer.word("an index")?;
        let index = parse_index(word);
        indices.push(index.ok_or_else(|| Fault::syntax(lexer.at, format!("expected an index such as 0 or 12, found {}", quoted(word))))?);
        match lexer.next()? {
            Token::Comma => {}
            Token::CloseBracket => return Ok(indices),
            found => return Err(Fault::syntax(lexer.at, format!("expected `,` or `]`, found {}", found.describe()))),
        }
    }
}

fn unsupported(at: usize, what: &str) -> Fault {
    Fault::new(QueryErrorKind::Unsupported, at, format!("{what} is not supported yet: one network with linear constraints is"))
}
