//! Conditions of assertions, read with a stack of our own: nesting is as deep as memory, not as the call stack.

use super::lexer::{Lexer, Token};
use super::{Element, Symbols};
use crate::exact::Rational;
use crate::query::Constraint;
use crate::read::{Error, not_certified, unreadable};

/// Most comparisons over all disjuncts of an expanded condition.
pub(super) const MOST_ATOMS: usize = 8_000_000;

/// A conjunct: a comparison, by its number, or a disjunction in disjunctive normal form.
pub(super) enum Part {
    Atom(u32),
    Or(Vec<Vec<u32>>),
}

/// All comparisons of a query, in the order of the file.
pub(super) struct Conditions {
    pub atoms: Vec<Constraint>,
    /// Steps left, far more than an honest text of this length needs.
    work: usize,
}

/// `sum of terms + constant`, terms in any order, perhaps repeated.
#[derive(Default)]
struct Sum {
    terms: Vec<(Element, Rational)>,
    constant: Rational,
}

/// An open parenthesis with its operands so far.
enum Frame<'a> {
    /// With the number of `and`s directly inside that are open as well.
    And(Vec<Part>, usize),
    Or(Vec<Vec<Part>>),
    /// A comparison or arithmetic.
    Sums(&'a [u8], Vec<Sum>),
}

impl<'a> Frame<'a> {
    fn new(word: &'a [u8]) -> Option<Frame<'a>> {
        Some(match word {
            b"and" => Frame::And(Vec::new(), 0),
            b"or" => Frame::Or(Vec::new()),
            b"<" | b"<=" | b">" | b">=" | b"==" | b"=" | b"!=" | b"+" | b"-" | b"*" => Frame::Sums(word, Vec::new()),
            _ => return None,
        })
    }
}

impl Conditions {
    pub fn new(len: usize) -> Conditions {
        Conditions { atoms: Vec::new(), work: 10_000_000 + 16 * len }
    }

    /// Reads one condition: its conjuncts.
    pub fn read(&mut self, lexer: &mut Lexer, symbols: &Symbols) -> Result<Vec<Part>, Error> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut opened = false;
        loop {
            let token = lexer.next()?;
            match (token, frames.last_mut()) {
                (Token::Open, top) => {
                    let word = lexer.word()?;
                    match (Frame::new(word), top) {
                        // An `and` inside an `and` is the same `and`.
                        (Some(Frame::And(..)), Some(Frame::And(_, depth))) => *depth += 1,
                        (Some(frame), _) => frames.push(frame),
                        _ => return unreadable(format!("{} is no operator", String::from_utf8_lossy(word))),
                    }
                }
                (Token::Close, _) if opened => return unreadable("an operator without operands"),
                (Token::Close, Some(Frame::And(_, depth))) if *depth > 0 => *depth -= 1,
                (Token::Close, Some(_)) => {
                    if let Some(conjuncts) = self.close(&mut frames)? {
                        return Ok(conjuncts);
                    }
                }
                (Token::Word(word), Some(Frame::Sums(_, operands))) => operands.push(operand(word, lexer, symbols)?),
                _ => return unreadable(format!("{token:?} in place of a condition")),
            }
            opened = token == Token::Open;
        }
    }

    /// Closes the last parenthesis; gives the condition if it was the first.
    fn close(&mut self, frames: &mut Vec<Frame>) -> Result<Option<Vec<Part>>, Error> {
        let condition = match frames.pop() {
            Some(Frame::And(parts, _)) => parts,
            Some(Frame::Or(parts)) => self.any_of(parts)?,
            Some(Frame::Sums(operator @ (b"+" | b"-" | b"*"), operands)) => {
                let sum = self.combine(operator, operands)?;
                return match frames.last_mut() {
                    Some(Frame::Sums(_, operands)) => {
                        operands.push(sum);
                        Ok(None)
                    }
                    _ => unreadable("arithmetic in place of a condition"),
                };
            }
            Some(Frame::Sums(operator, operands)) => self.compare(operator, operands)?,
            None => Vec::new(),
        };
        match frames.last_mut() {
            None => return Ok(Some(condition)),
            Some(Frame::And(parts, _)) => parts.extend(condition),
            Some(Frame::Or(parts)) => parts.push(condition),
            Some(Frame::Sums(..)) => return unreadable("a condition inside arithmetic"),
        }
        Ok(None)
    }

    /// A disjunction; one of a single part is that part.
    fn any_of(&mut self, mut parts: Vec<Vec<Part>>) -> Result<Vec<Part>, Error> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut disjuncts = Vec::new();
        for part in parts {
            disjuncts.extend(self.product(part)?);
        }
        Ok(vec![Part::Or(disjuncts)])
    }

    fn combine(&mut self, operator: &[u8], mut operands: Vec<Sum>) -> Result<Sum, Error> {
        if operator == b"*" {
            let Some(place) = (0..operands.len()).max_by_key(|&i| operands[i].terms.len()) else { return unreadable("`*` of nothing") };
            let mut result = operands.swap_remove(place);
            for factor in operands {
                if !factor.terms.is_empty() {
                    return not_certified("a product of variables");
                }
                self.scale(&mut result, &factor.constant)?;
            }
            return Ok(result);
        }
        if operator == b"-" {
            let minus_one = Rational::one().negated();
            let kept = usize::from(operands.len() > 1);
            operands.iter_mut().skip(kept).try_for_each(|operand| self.scale(operand, &minus_one))?;
        }
        // The longest takes up the others, so that deep nesting stays cheap.
        let Some(place) = (0..operands.len()).max_by_key(|&i| operands[i].terms.len()) else { return unreadable("a sum of nothing") };
        let mut result = operands.swap_remove(place);
        for operand in operands {
            self.spend(operand.terms.len() + 1)?;
            result.terms.extend(operand.terms);
            result.constant = self.moderate(result.constant.plus(&operand.constant))?;
        }
        Ok(result)
    }

    fn scale(&mut self, sum: &mut Sum, factor: &Rational) -> Result<(), Error> {
        for number in sum.terms.iter_mut().map(|(_, coefficient)| coefficient).chain([&mut sum.constant]) {
            *number = self.moderate(number.times(factor))?;
        }
        Ok(())
    }

    /// Refuses a number beyond all measure.
    fn moderate(&mut self, number: Rational) -> Result<Rational, Error> {
        self.spend(1 + number.words() / 8)?;
        if number.is_moderate() { Ok(number) } else { not_certified("a number of absurd size") }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Error> {
        match self.work.checked_sub(steps) {
            Some(left) => self.work = left,
            None => return not_certified("conditions nested beyond all measure"),
        }
        Ok(())
    }

    /// `a <= b` is `b - a >= 0`; `a == b` is `a - b >= 0` and `b - a >= 0`; `a != b` is one or the other, strictly.
    fn compare(&mut self, operator: &[u8], mut operands: Vec<Sum>) -> Result<Vec<Part>, Error> {
        let (Some(b), Some(a), None) = (operands.pop(), operands.pop(), operands.pop()) else {
            return unreadable("a comparison has two sides");
        };
        let strict = matches!(operator, b"<" | b">" | b"!=");
        let difference = self.combine(b"-", vec![a, b])?;
        let greater = self.constraint(difference, strict)?;
        let less = || negated(&greater);
        Ok(match operator {
            b">" | b">=" => vec![Part::Atom(self.add(greater)?)],
            b"<" | b"<=" => vec![Part::Atom(self.add(less())?)],
            b"!=" => {
                let less = less();
                vec![Part::Or(vec![vec![self.add(greater)?], vec![self.add(less)?]])]
            }
            _ => {
                let less = less();
                vec![Part::Atom(self.add(greater)?), Part::Atom(self.add(less)?)]
            }
        })
    }

    fn add(&mut self, constraint: Constraint) -> Result<u32, Error> {
        if self.atoms.len() >= MOST_ATOMS {
            return not_certified(format!("more than {MOST_ATOMS} comparisons"));
        }
        self.atoms.push(constraint);
        Ok(self.atoms.len() as u32 - 1)
    }

    /// `sum >= 0` (or `> 0`) with distinct terms; a single term gets the coefficient 1 or -1 where that is a plain decimal division.
    fn constraint(&mut self, mut sum: Sum, strict: bool) -> Result<Constraint, Error> {
        sum.terms.sort_by_key(|(element, _)| *element);
        let mut terms: Vec<(Element, Rational)> = Vec::with_capacity(sum.terms.len());
        for (element, coefficient) in sum.terms {
            match terms.last_mut() {
                Some((last, total)) if *last == element => *total = self.moderate(total.plus(&coefficient))?,
                _ => terms.push((element, coefficient)),
            }
        }
        terms.retain(|(_, coefficient)| !coefficient.is_zero());
        if let [(_, coefficient)] = &mut terms[..] {
            let size = coefficient.size();
            if let (Some(constant), Some(unit)) = (sum.constant.over_unit(&size), coefficient.over_unit(&size)) {
                (sum.constant, *coefficient) = (self.moderate(constant)?, unit);
            }
        }
        let mut constraint = Constraint { inputs: Vec::new(), outputs: Vec::new(), constant: sum.constant, strict };
        for (element, coefficient) in terms {
            match element {
                Element::Input(i) => constraint.inputs.push((i, coefficient)),
                Element::Output(i) => constraint.outputs.push((i, coefficient)),
            }
        }
        Ok(constraint)
    }

    /// All ways to take one disjunct of each part, the first part's slowest.
    pub fn product(&mut self, parts: Vec<Part>) -> Result<Vec<Vec<u32>>, Error> {
        // Comparisons in a list of disjuncts, and the disjuncts themselves.
        let size = |list: &[Vec<u32>]| list.iter().fold(list.len(), |n, disjunct| n + disjunct.len());
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for part in parts {
            match part {
                Part::Atom(id) => all.iter_mut().for_each(|disjunct| disjunct.push(id)),
                Part::Or(own) if all == [[]] => all = own,
                Part::Or(own) => {
                    self.spend(size(&all).saturating_mul(own.len()).saturating_add(size(&own).saturating_mul(all.len())))?;
                    all = all.iter().flat_map(|a| own.iter().map(move |b| [&a[..], b].concat())).collect();
                }
            }
            self.spend(all.len())?;
        }
        Ok(all)
    }
}

/// A number or a variable.
fn operand(word: &[u8], lexer: &mut Lexer, symbols: &Symbols) -> Result<Sum, Error> {
    match word[0] {
        b'0'..=b'9' | b'-' | b'+' | b'.' => match Rational::parse(word) {
            Ok(constant) => Ok(Sum { terms: Vec::new(), constant }),
            Err(why) => unreadable(format!("{}: {why}", String::from_utf8_lossy(&word[..word.len().min(40)]))),
        },
        _ => Ok(Sum { terms: vec![(symbols.resolve(word, lexer)?, Rational::one())], constant: Rational::ZERO }),
    }
}

/// The same with both sides exchanged.
fn negated(constraint: &Constraint) -> Constraint {
    let terms = |terms: &[(usize, Rational)]| terms.iter().map(|(i, c)| (*i, c.negated())).collect();
    Constraint {
        inputs: terms(&constraint.inputs),
        outputs: terms(&constraint.outputs),
        constant: constraint.constant.negated(),
        strict: constraint.strict,
    }
}
