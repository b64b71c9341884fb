//! JSON as this crate reads it: numbers stay exact, members are unique, nesting is limited.

use engine::numerics::{Decimal, Interval};

/// A number of a file: its exact value and the doubles around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// The value.
    pub exact: Decimal,
    /// Contains the value; a point only where the value is that double.
    pub near: Interval,
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number { exact: Decimal::ZERO, near: Interval { low: 0.0, high: 0.0 } };
    /// One.
    pub const ONE: Number = Number { exact: Decimal::ONE, near: Interval { low: 1.0, high: 1.0 } };

    /// A decimal and the doubles around it.
    pub fn new(exact: Decimal) -> Number {
        let near = Interval { low: exact.to_f64_down(), high: exact.to_f64_up() };
        Number { exact, near }
    }

    /// A double, exactly; `None` for NaN and infinities.
    pub fn of_f64(x: f64) -> Option<Number> {
        Some(Number { exact: Decimal::from_f64(x)?, near: Interval::point(x) })
    }
}

/// A JSON value. Members of an object are in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Truth(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A few words about the value, short even for a huge one.
    pub fn describe(&self) -> String {
        match self {
            Value::Null => "null".into(),
            Value::Truth(b) => b.to_string(),
            Value::Number(n) => format!("the number {}", shown(&n.exact)),
            Value::Text(s) => format!("the text `{}`", s.chars().take(60).collect::<String>()),
            Value::Array(v) => format!("an array of {} elements", v.len()),
            Value::Object(v) => format!("an object of {} members", v.len()),
        }
    }
}

/// A decimal as text of bounded length, for messages: shortened ones end in `...`.
pub fn shown(x: &Decimal) -> String {
    const MOST: usize = 40;
    if x.bits() > 2000 {
        return format!("about {:e}", x.to_f64());
    }
    let text = x.to_string();
    if text.len() <= MOST { text } else { format!("{}... (about {:e})", &text[..MOST], x.to_f64()) }
}
