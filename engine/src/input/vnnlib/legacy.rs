//! Commands of VNN-LIB 1.0: `declare-const`, `declare-fun`, `assert`.

use super::Reading;
use super::error::{Fault, quoted};
use super::expression::{Dialect, Extension, unclosed};
use super::lexer::{Lexer, Token};
use super::symbols::{LegacySymbols, Reference};
use crate::query::NetworkDeclaration;

struct Legacy {
    symbols: LegacySymbols,
}

impl<'a> Dialect<'a> for Legacy {
    fn variable(&mut self, word: &'a [u8], lexer: &mut Lexer<'a>) -> Result<Reference, Fault> {
        self.symbols.resolve(word, lexer.at)
    }

    fn extension(&mut self, _: Extension, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn needs_variable(&self) -> bool {
        false
    }
}

/// Reads all commands, of which the opening of the first is read already.
pub(super) fn read(lexer: &mut Lexer, first: &[u8], reading: &mut Reading) -> Result<Vec<NetworkDeclaration>, Fault> {
    let text_len = reading.conditions.text_len();
    let mut legacy = Legacy { symbols: LegacySymbols::new(text_len) };
    let mut command = first;
    loop {
        match command {
            b"declare-const" | b"declare-fun" => declare(lexer, command, &mut legacy)?,
            b"assert" => {
                let node = reading.conditions.read(lexer, &mut legacy)?;
                reading.asserted.push(node);
                lexer.expect(Token::Close, "after the condition of `assert`")?;
            }
            // What SMT-LIB scripts say to a solver has no meaning here.
            b"set-logic" | b"set-info" | b"set-option" | b"check-sat" | b"get-model" | b"get-value" | b"echo" | b"exit" => skip(lexer)?,
            other => {
                let message = format!("unknown command {}: expected `declare-const`, `declare-fun` or `assert`", quoted(other));
                return Err(Fault::syntax(lexer.at, message));
            }
        }
        match lexer.next()? {
            Token::Open => command = lexer.word("a command")?,
            Token::End => return Ok(vec![legacy.symbols.into_network()?]),
            found => return Err(Fault::syntax(lexer.at, format!("expected `(` before a command, found {}", found.describe()))),
        }
    }
}

/// `(declare-const X_0 Real)` or `(declare-fun X_0 () Real)`.
fn declare(lexer: &mut Lexer, command: &[u8], legacy: &mut Legacy) -> Result<(), Fault> {
    let name = lexer.word("the name of a variable")?;
    legacy.symbols.declare(name, lexer.at)?;
    if command == b"declare-fun" {
        lexer.expect(Token::Open, "before no arguments, as in (declare-fun X_0 () Real)")?;
        lexer.expect(Token::Close, "after no arguments, as in (declare-fun X_0 () Real)")?;
    }
    match lexer.word("the type `Real`")? {
        b"Real" | b"real" => lexer.expect(Token::Close, "after the type"),
        other => Err(Fault::declaration(lexer.at, format!("type {}: the variables of VNN-LIB 1.0 are `Real`", quoted(other)))),
    }
}

/// Skips to the end of a command.
fn skip(lexer: &mut Lexer) -> Result<(), Fault> {
    let (start, mut depth) = (lexer.at, 1usize);
    while depth > 0 {
        match lexer.next()? {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::End => return Err(unclosed(start)),
            _ => {}
        }
    }
    Ok(())
}
