//! Reads the condition of an assertion with a stack of its own: nesting is as deep as memory, not as the call stack.

use super::arithmetic::{Arithmetic, Operand, Refusal, common_type};
use super::error::{Fault, QueryErrorKind, quoted};
use super::formula::{Connective, Formula, NodeId};
use super::lexer::{Lexer, Token};
use super::symbols::Reference;
use crate::numerics::{Decimal, DecimalError};

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Join(Connective),
    Compare(Comparison),
    Plus,
    Minus,
    Times,
}

impl Operator {
    fn named(word: &[u8]) -> Option<Operator> {
        Some(match word {
            b"and" => Operator::Join(Connective::And),
            b"or" => Operator::Join(Connective::Or),
            b"<" => Operator::Compare(Comparison::Less),
            b"<=" => Operator::Compare(Comparison::LessEqual),
            b">" => Operator::Compare(Comparison::Greater),
            b">=" => Operator::Compare(Comparison::GreaterEqual),
            b"==" | b"=" => Operator::Compare(Comparison::Equal),
            b"!=" => Operator::Compare(Comparison::NotEqual),
            b"+" => Operator::Plus,
            b"-" => Operator::Minus,
            b"*" => Operator::Times,
            _ => return None,
        })
    }

    /// True if the result is a condition.
    fn is_condition(self) -> bool {
        matches!(self, Operator::Join(_) | Operator::Compare(_))
    }

    fn takes_conditions(self) -> bool {
        matches!(self, Operator::Join(_))
    }
}

/// An open parenthesis.
#[derive(Clone, Copy, Debug)]
struct Frame {
    operator: Operator,
    /// Where its operands start, on the stack of conditions or of arithmetic.
    start: usize,
    at: usize,
}

/// What the two versions of the language do differently in expressions.
pub(super) trait Dialect<'a> {
    /// The variable that starts with `word`; may read indices.
    fn variable(&mut self, word: &'a [u8], lexer: &mut Lexer<'a>) -> Result<Reference, Fault>;
    /// A form that the standard does not have; `Err` in strict mode.
    fn extension(&mut self, extension: Extension, at: usize) -> Result<(), Fault>;
    /// True if a comparison must contain a variable.
    fn needs_variable(&self) -> bool;
}

/// Forms that are read although VNN-LIB 2 does not have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// `1e-3`.
    Exponent,
    /// `+1`, `.5` or `5.`.
    NumberForm,
    /// `=` for `==`.
    SingleEqual,
}

/// Reads conditions into a formula.
#[derive(Debug)]
pub(super) struct Conditions {
    pub formula: Formula,
    /// The first construct that is valid but not supported.
    pub unsupported: Option<Fault>,
    arithmetic: Arithmetic,
    text_len: usize,
    frames: Vec<Frame>,
    conditions: Vec<NodeId>,
    operands: Vec<Operand>,
}

impl Conditions {
    pub fn new(text_len: usize) -> Conditions {
        Conditions {
            formula: Formula::default(),
            unsupported: None,
            arithmetic: Arithmetic::new(text_len),
            text_len,
            frames: Vec::new(),
            conditions: Vec::new(),
            operands: Vec::new(),
        }
    }

    /// Length of the text, which bounds every honest size.
    pub fn text_len(&self) -> usize {
        self.text_len
    }

    /// Notes a construct that is valid but not supported; the first one is reported, if nothing worse follows.
    pub fn not_supported(&mut self, fault: Fault) {
        self.unsupported.get_or_insert(fault);
    }

    /// Reads one condition up to its closing parenthesis.
    pub fn read<'a>(&mut self, lexer: &mut Lexer<'a>, dialect: &mut impl Dialect<'a>) -> Result<NodeId, Fault> {
        lexer.expect(Token::Open, "before a condition such as (<= X_0 1)")?;
        self.open(lexer, dialect)?;
        while let Some(frame) = self.frames.last() {
            let takes_conditions = frame.operator.takes_conditions();
            match lexer.next()? {
                Token::Open => self.open(lexer, dialect)?,
                Token::Close => self.close(dialect)?,
                Token::Word(word) if !takes_conditions => {
                    let operand = read_operand(word, lexer, dialect)?;
                    self.operands.push(operand);
                }
                Token::End => return Err(unclosed(frame.at)),
                found => {
                    let expected = if takes_conditions { "a condition such as (<= X_0 1)" } else { "a number, a variable or `(`" };
                    return Err(Fault::syntax(lexer.at, format!("expected {expected}, found {}", found.describe())));
                }
            }
        }
        Ok(self.conditions.pop().expect("the outermost frame leaves one condition"))
    }

    fn open<'a>(&mut self, lexer: &mut Lexer<'a>, dialect: &mut impl Dialect<'a>) -> Result<(), Fault> {
        let at = lexer.at;
        let word = lexer.word("an operator")?;
        let wanted_condition = self.frames.last().is_none_or(|frame| frame.operator.takes_conditions());
        let operator = match Operator::named(word) {
            Some(operator) if operator.is_condition() == wanted_condition => operator,
            found => return Err(wrong_operator(word, found.is_some(), wanted_condition, lexer.at)),
        };
        if word == b"=" {
            dialect.extension(Extension::SingleEqual, lexer.at)?;
        }
        if self.frames.len() >= MAX_DEPTH || self.formula.is_full() {
            let message = format!("parentheses nest deeper than {MAX_DEPTH}, or the query has more than 2^31 parts");
            return Err(Fault::new(QueryErrorKind::TooLarge, at, message));
        }
        let start = if operator.takes_conditions() { self.conditions.len() } else { self.operands.len() };
        self.frames.push(Frame { operator, start, at });
        Ok(())
    }

    fn close<'a>(&mut self, dialect: &mut impl Dialect<'a>) -> Result<(), Fault> {
        let Frame { operator, start, at } = self.frames.pop().expect("called with an open frame");
        match operator {
            Operator::Join(connective) => {
                if self.conditions.len() == start {
                    return Err(Fault::syntax(at, "`and` and `or` need at least one condition"));
                }
                let node = self.formula.add_group(connective, &self.conditions[start..]);
                self.conditions.truncate(start);
                self.conditions.push(node);
            }
            Operator::Compare(comparison) => {
                let node = self.compare(comparison, start, at, dialect)?;
                self.conditions.push(node);
            }
            Operator::Plus | Operator::Minus | Operator::Times => {
                let operands: Vec<Operand> = self.operands.drain(start..).collect();
                if operands.is_empty() {
                    return Err(Fault::syntax(at, "`+`, `-` and `*` need at least one operand"));
                }
                let operand = self.combine(operator, operands, at)?;
                self.operands.push(operand);
            }
        }
        Ok(())
    }

    fn combine(&mut self, operator: Operator, operands: Vec<Operand>, at: usize) -> Result<Operand, Fault> {
        if operator != Operator::Times {
            return self.arithmetic.sum(operands, operator == Operator::Minus).map_err(|refusal| refusal.fault(at));
        }
        // After a product of variables reading goes on with one of them in its place: a later error is the more useful message.
        let stand_in = operands.iter().find(|operand| operand.type_number().is_some()).cloned();
        match (self.arithmetic.product(operands), stand_in) {
            (Err(refusal @ Refusal::Product), Some(stand_in)) => {
                self.not_supported(refusal.fault(at));
                Ok(stand_in)
            }
            (result, _) => result.map_err(|refusal| refusal.fault(at)),
        }
    }

    fn compare<'a>(&mut self, comparison: Comparison, start: usize, at: usize, dialect: &impl Dialect<'a>) -> Result<NodeId, Fault> {
        let found = self.operands.len() - start;
        if found != 2 {
            return Err(Fault::syntax(at, format!("a comparison has two sides, found {found}")));
        }
        let typed = common_type(&self.operands[start..]).map_err(|refusal| refusal.fault(at))?;
        if typed.is_none() && dialect.needs_variable() {
            return Err(Fault::syntax(at, "a comparison must contain a variable"));
        }
        let right = self.operands.pop().expect("two operands");
        let left = self.operands.pop().expect("two operands");
        let claims = match comparison {
            Comparison::Less => vec![(right, left, true)],
            Comparison::LessEqual => vec![(right, left, false)],
            Comparison::Greater => vec![(left, right, true)],
            Comparison::GreaterEqual => vec![(left, right, false)],
            Comparison::Equal => vec![(left.clone(), right.clone(), false), (right, left, false)],
            Comparison::NotEqual => vec![(left.clone(), right.clone(), true), (right, left, true)],
        };
        let connective = if comparison == Comparison::NotEqual { Connective::Or } else { Connective::And };
        let mut nodes = Vec::with_capacity(2);
        for (greater, less, strict) in claims {
            let atoms = self.arithmetic.compare(greater, less, strict, at).map_err(|refusal| refusal.fault(at))?;
            let parts: Vec<NodeId> = atoms.into_iter().map(|atom| self.formula.add_atom(atom)).collect();
            nodes.push(self.formula.add_group(Connective::And, &parts));
        }
        Ok(self.formula.add_group(connective, &nodes))
    }
}

/// A number or a variable.
fn read_operand<'a>(word: &'a [u8], lexer: &mut Lexer<'a>, dialect: &mut impl Dialect<'a>) -> Result<Operand, Fault> {
    if !matches!(word[0], b'0'..=b'9' | b'-' | b'+' | b'.') {
        return dialect.variable(word, lexer).map(Operand::Element);
    }
    let at = lexer.at;
    let number = Decimal::parse(word).map_err(|error| {
        let kind = if error == DecimalError::Malformed { QueryErrorKind::Number } else { QueryErrorKind::TooLarge };
        Fault::new(kind, at, format!("number {}: {error}", quoted(word)))
    })?;
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    if word.iter().any(|b| matches!(b, b'e' | b'E')) {
        dialect.extension(Extension::Exponent, at)?;
    } else if !digit(word.strip_prefix(b"-").unwrap_or(word).first()) || !digit(word.last()) {
        dialect.extension(Extension::NumberForm, at)?;
    }
    Ok(Operand::Constant(number))
}

pub(super) fn unclosed(at: usize) -> Fault {
    Fault::syntax(at, "this parenthesis is never closed: the file ends before its `)`")
}

fn wrong_operator(word: &[u8], known: bool, wanted_condition: bool, at: usize) -> Fault {
    let expected = if wanted_condition { "`and`, `or` or a comparison (<, <=, >, >=, ==, !=)" } else { "`+`, `-` or `*`" };
    let remedy = match word {
        b"not" => ": VNN-LIB has no negation; write the opposite comparison",
        b"/" => ": write the quotient as a decimal, or multiply the other side",
        _ if known && wanted_condition => ": arithmetic stands inside a comparison",
        _ if known => ": a condition cannot be an operand of arithmetic",
        _ => "",
    };
    Fault::syntax(at, format!("expected {expected}, found {}{remedy}", quoted(word)))
}
