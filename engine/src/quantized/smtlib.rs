//! A query as SMT-LIB 2 in the logic QF_BV: satisfiable exactly if the query can be broken.
//!
//! Every accumulator gets as many bits as its interval needs; values that the intervals fix are written as constants.

use std::fmt::Write;

use super::bounds::{Range, interval, requantised};
use super::network::Network;
use super::query::Query;
use super::staircase::{Requantise, Rounding};

/// The query's text; `title` becomes a comment.
pub fn smtlib(network: &Network, query: &Query, title: &str) -> String {
    let mut text = format!("; {}\n(set-logic QF_BV)\n(set-option :produce-models true)\n", title.replace('\n', " "));
    let mut values: Vec<Term> = Vec::new();
    for (p, range) in query.input.iter().enumerate() {
        let term = Term::of(format!("x{p}"), *range);
        if !range.is_point() {
            let width = term.width;
            let _ = writeln!(text, "(declare-const x{p} (_ BitVec {width}))");
            let (low, high) = (constant(range.low, width), constant(range.high, width));
            let _ = writeln!(text, "(assert (and (bvsle {low} x{p}) (bvsle x{p} {high})))");
        }
        values.push(term);
    }
    let all = interval(network, &query.input);
    for (k, (layer, ranges)) in network.layers().iter().zip(&all).enumerate() {
        let outputs = requantised(layer, ranges);
        let mut next = Vec::new();
        for o in 0..layer.outputs {
            let term = Term::of(format!("h{k}_{o}"), outputs[o]);
            if !outputs[o].is_point() {
                let staircase = layer.staircase(o);
                let width = width_inside(staircase, ranges[o], layer.row(o), &values, layer.bias[o]);
                let _ = writeln!(text, "(define-fun a{k}_{o} () (_ BitVec {width}) {})", sum(layer.row(o), &values, layer.bias[o], width));
                let value = stairs(staircase, &format!("a{k}_{o}"), width);
                let _ =
                    writeln!(text, "(define-fun {} () (_ BitVec {}) ((_ extract {} 0) {value}))", term.name, term.width, term.width - 1);
            }
            next.push(term);
        }
        values = next;
    }
    let _ = writeln!(text, "(assert (or false{}))\n(check-sat)", broken(&values, query.label));
    text
}

/// A value: a name with its bits (two's complement), or a constant.
struct Term {
    name: String,
    range: Range,
    width: u32,
}

impl Term {
    fn of(name: String, range: Range) -> Term {
        Term { name, range, width: bits(range) }
    }

    /// In `width` bits, at least its own.
    fn extended(&self, width: u32) -> String {
        match () {
            _ if self.range.is_point() => constant(self.range.low, width),
            _ if width == self.width => self.name.clone(),
            _ => format!("((_ sign_extend {}) {})", width - self.width, self.name),
        }
    }
}

/// Bits of two's complement that hold a range.
fn bits(range: Range) -> u32 {
    let one = |v: i64| 65 - if v < 0 { (!v).leading_zeros() } else { v.leading_zeros() };
    one(range.low).max(one(range.high))
}

/// Bits that hold every partial sum of the accumulator and everything that its staircase computes.
fn width_inside(s: &Requantise, range: Range, row: &[i32], values: &[Term], bias: i64) -> u32 {
    let size = |t: &Term| t.range.low.unsigned_abs().max(t.range.high.unsigned_abs());
    let partial: u64 = row.iter().zip(values).map(|(w, t)| u64::from(w.unsigned_abs()) * size(t)).sum::<u64>() + bias.unsigned_abs();
    let largest = u128::from(partial.max(range.low.unsigned_abs()).max(range.high.unsigned_abs())) * s.multiplier as u128;
    let ends = u128::from(s.low.unsigned_abs().max(s.high.unsigned_abs()) + s.offset.unsigned_abs());
    130 - (largest + (1u128 << s.shift) + ends).leading_zeros()
}

fn constant(value: i64, width: u32) -> String {
    let shown = value.unsigned_abs();
    if value < 0 { format!("(bvneg (_ bv{shown} {width}))") } else { format!("(_ bv{shown} {width})") }
}

fn sum(row: &[i32], values: &[Term], bias: i64, width: u32) -> String {
    let mut terms = String::new();
    let mut fixed = bias;
    for (&w, value) in row.iter().zip(values).filter(|(w, _)| **w != 0) {
        match value.range.is_point() {
            true => fixed += i64::from(w) * value.range.low,
            false => terms += &format!(" (bvmul {} {})", constant(w.into(), width), value.extended(width)),
        }
    }
    if terms.is_empty() { constant(fixed, width) } else { format!("(bvadd {}{terms})", constant(fixed, width)) }
}

/// `s(a)` in `width` bits.
fn stairs(s: &Requantise, a: &str, width: u32) -> String {
    let number = |v: i64| constant(v, width);
    let product = if s.multiplier == 1 { a.to_owned() } else { format!("(bvmul {} {a})", number(s.multiplier)) };
    let quotient = if s.shift == 0 { "n".to_owned() } else { divided(s, width) };
    let value = format!("(bvadd {quotient} {})", number(s.offset));
    let (low, high) = (number(s.low), number(s.high));
    format!("(let ((n {product})) (let ((v {value})) (ite (bvslt v {low}) {low} (ite (bvsgt v {high}) {high} v))))")
}

/// `n / 2^shift`, rounded: a shift of `n` plus what makes the floor the right neighbour.
fn divided(s: &Requantise, width: u32) -> String {
    let number = |v: i64| constant(v, width);
    let shift = number(s.shift.into());
    let plus = |added: String| format!("(bvashr (bvadd n {added}) {shift})");
    let (unit, half) = (1i64 << s.shift, 1i64 << (s.shift - 1));
    let by_sign = |negative: i64, other: i64| plus(format!("(ite (bvslt n {}) {} {})", number(0), number(negative), number(other)));
    match s.rounding {
        Rounding::Floor => format!("(bvashr n {shift})"),
        Rounding::HalfUp => plus(number(half)),
        Rounding::HalfDown => plus(number(half - 1)),
        Rounding::HalfEven => plus(format!("(bvadd {} (bvand {} (bvashr n {shift})))", number(half - 1), number(1))),
        Rounding::HalfAway => by_sign(half - 1, half),
        Rounding::TowardZero => by_sign(unit - 1, 0),
    }
}

/// The ways to have another first maximum than the label.
fn broken(values: &[Term], label: usize) -> String {
    let width = values.iter().map(|t| bits(t.range)).max().unwrap_or(1);
    let right = values[label].extended(width);
    let beats = |(class, term): (usize, &Term)| {
        let relation = if class < label { "bvsge" } else { "bvsgt" };
        format!(" ({relation} {} {right})", term.extended(width))
    };
    values.iter().enumerate().filter(|(class, _)| *class != label).map(beats).collect()
}
