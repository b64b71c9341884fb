//! VNN-LIB 1.0 and 2.x queries to [`Query`]s, in exact numbers.

mod cases;
mod expression;
mod lexer;

use std::collections::{HashMap, HashSet};

use super::{Error, not_certified, unreadable};
use crate::query::Query;
use expression::{Conditions, Part};
use lexer::{Lexer, Token};

/// Most elements of all inputs, and of all outputs.
const MOST_ELEMENTS: usize = 1 << 28;

/// Reads a query; cases come in the order that docs/certificate.md defines.
pub fn query(text: &[u8]) -> Result<Query, Error> {
    let mut lexer = Lexer::new(text);
    let read = read(&mut lexer, text.len());
    let (symbols, conditions, parts) = read.map_err(|error| match error {
        Error::Unreadable(why) => Error::Unreadable(format!("line {}: {why}", lexer.line())),
        Error::NotCertified(what) => Error::NotCertified(format!("{what} on line {}", lexer.line())),
    })?;
    let (inputs, outputs) = (symbols.inputs, symbols.outputs);
    Ok(Query { inputs, outputs, cases: cases::cases(inputs, conditions, parts)? })
}

fn read(lexer: &mut Lexer, len: usize) -> Result<(Symbols, Conditions, Vec<Part>), Error> {
    let (mut symbols, mut conditions, mut parts) = (Symbols::default(), Conditions::new(len), Vec::new());
    let mut first = true;
    loop {
        match lexer.next()? {
            Token::End => break,
            Token::Open => {}
            _ => return unreadable("expected `(` before a command"),
        }
        match lexer.word()? {
            b"vnnlib-version" if first => {
                symbols.standard = true;
                let version = lexer.word()?;
                if !matches!(version, b"<2.0>" | b"<2.1>") {
                    return not_certified(format!("version {}", String::from_utf8_lossy(version)));
                }
                lexer.expect(Token::Close)?;
            }
            b"declare-const" if !symbols.standard => {
                symbols.declare_scalar(lexer.word()?)?;
                if !matches!(lexer.word()?, b"Real" | b"real") {
                    return unreadable("expected the type Real");
                }
                lexer.expect(Token::Close)?;
            }
            b"declare-network" if symbols.standard && parts.is_empty() => symbols.declare_network(lexer)?,
            b"assert" => {
                parts.extend(conditions.read(lexer, &symbols)?);
                lexer.expect(Token::Close)?;
            }
            command => return not_certified(format!("command {}", String::from_utf8_lossy(command))),
        }
        first = false;
    }
    symbols.finish()?;
    Ok((symbols, conditions, parts))
}

/// An element of the network's inputs or outputs, numbered in the order of declaration; inputs come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Element {
    Input(usize),
    Output(usize),
}

/// Declared names.
#[derive(Default)]
struct Symbols {
    /// Version 2.
    standard: bool,
    /// First element and shape; in version 1 of single elements.
    variables: HashMap<Vec<u8>, (Element, Vec<usize>)>,
    /// Names of networks.
    networks: HashSet<Vec<u8>>,
    inputs: usize,
    outputs: usize,
}

impl Symbols {
    /// `X_3` or `Y_0` of version 1.
    fn declare_scalar(&mut self, name: &[u8]) -> Result<(), Error> {
        let number = |digits: &[u8]| index(digits).filter(|_| digits == b"0" || !digits.starts_with(b"0"));
        let element = match name {
            [b'X', b'_', digits @ ..] => number(digits).map(Element::Input),
            [b'Y', b'_', digits @ ..] => number(digits).map(Element::Output),
            _ => None,
        };
        let Some(element) = element else { return unreadable("variables are named X_0, X_1, ... and Y_0, Y_1, ...") };
        match element {
            Element::Input(_) => self.inputs += 1,
            Element::Output(_) => self.outputs += 1,
        }
        self.define(name, element, Vec::new())
    }

    fn define(&mut self, name: &[u8], element: Element, shape: Vec<usize>) -> Result<(), Error> {
        let network = self.networks.contains(name);
        match self.variables.insert(name.to_vec(), (element, shape)) {
            None if !network => Ok(()),
            _ => unreadable(format!("{} is declared twice", String::from_utf8_lossy(name))),
        }
    }

    /// `NAME (declare-input X float32 [1,5]) ... (declare-output Y float32 [5]))`.
    fn declare_network(&mut self, lexer: &mut Lexer) -> Result<(), Error> {
        if !self.networks.is_empty() {
            return not_certified("a query over several networks");
        }
        self.networks.insert(lexer.word()?.to_vec());
        loop {
            match lexer.next()? {
                Token::Open => {}
                Token::Close => return Ok(()),
                _ => return unreadable("expected a declaration"),
            }
            let is_input = match lexer.word()? {
                b"declare-input" if self.outputs == 0 => true,
                b"declare-output" => false,
                word => return not_certified(format!("{} at this place", String::from_utf8_lossy(word))),
            };
            let (name, kind) = (lexer.word()?, lexer.word()?);
            if !matches!(kind, b"real" | b"Real" | b"float32" | b"float64") {
                return not_certified(format!("element type {}", String::from_utf8_lossy(kind)));
            }
            let shape = indices(lexer)?;
            let Some(len) = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|n| (1..MOST_ELEMENTS).contains(n)) else {
                return not_certified(format!("a variable of shape {shape:?}"));
            };
            let (total, element) = match is_input {
                true => (&mut self.inputs, Element::Input as fn(usize) -> Element),
                false => (&mut self.outputs, Element::Output as fn(usize) -> Element),
            };
            let element = element(*total);
            *total += len;
            if *total > MOST_ELEMENTS {
                return not_certified("absurdly many variables");
            }
            self.define(name, element, shape)?;
            // `initialized` in place of the parenthesis is not certified.
            match lexer.next()? {
                Token::Close => {}
                _ => return not_certified("a declaration with more than name, type and shape"),
            }
        }
    }

    /// The element that a name stands for; reads its indices.
    fn resolve(&self, name: &[u8], lexer: &mut Lexer) -> Result<Element, Error> {
        let Some((first, shape)) = self.variables.get(name) else {
            return unreadable(format!("{} is not declared", String::from_utf8_lossy(name)));
        };
        let indices = if shape.is_empty() { Vec::new() } else { indices(lexer)? };
        if indices.len() != shape.len() || indices.iter().zip(shape).any(|(i, size)| i >= size) {
            return unreadable(format!("indices {indices:?} in shape {shape:?}"));
        }
        let flat = indices.iter().zip(shape).fold(0, |flat, (i, size)| flat * size + i);
        Ok(match first {
            Element::Input(first) => Element::Input(first + flat),
            Element::Output(first) => Element::Output(first + flat),
        })
    }

    /// The variables of version 1 must be numbered without gaps.
    fn finish(&self) -> Result<(), Error> {
        let beyond = |(element, _): &(Element, Vec<usize>)| match *element {
            Element::Input(i) => i >= self.inputs,
            Element::Output(i) => i >= self.outputs,
        };
        if self.inputs == 0 || self.outputs == 0 || self.variables.values().any(beyond) {
            return unreadable("inputs and outputs are numbered X_0, X_1, ... and Y_0, Y_1, ... without gaps");
        }
        Ok(())
    }
}

/// `[2,3]`, or `[]`.
fn indices(lexer: &mut Lexer) -> Result<Vec<usize>, Error> {
    lexer.expect(Token::OpenBracket)?;
    let mut list = Vec::new();
    loop {
        match lexer.next()? {
            Token::CloseBracket if list.is_empty() => return Ok(list),
            Token::Word(word) => match index(word) {
                Some(i) => list.push(i),
                None => return unreadable("expected an index"),
            },
            _ => return unreadable("expected an index"),
        }
        match lexer.next()? {
            Token::Comma => {}
            Token::CloseBracket => return Ok(list),
            _ => return unreadable("expected `,` or `]`"),
        }
    }
}

fn index(digits: &[u8]) -> Option<usize> {
    let digit =
        |n: Option<usize>, b: &u8| n.filter(|_| b.is_ascii_digit()).map(|n| n * 10 + usize::from(b - b'0')).filter(|&n| n < MOST_ELEMENTS);
    digits.iter().fold((!digits.is_empty()).then_some(0), digit)
}
