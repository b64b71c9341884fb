//! Strict reading: a cursor that knows its file and place, so that every refusal says where and what.

use super::value::{Number, Value};
use crate::ExchangeError;

/// A place in a JSON document.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    file: &'a str,
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The top of a document; `file` is for messages.
    pub fn top(file: &'a str, value: &'a Value) -> Field<'a> {
        Field { file, path: String::new(), value }
    }

    /// A refusal of this place.
    pub fn expected(&self, what: impl Into<String>) -> ExchangeError {
        self.refuse(self.path.clone(), what.into(), self.value.describe())
    }

    fn refuse(&self, path: String, expected: String, found: String) -> ExchangeError {
        let field = if path.is_empty() { "(top level)".into() } else { path };
        ExchangeError::Field { file: self.file.into(), field, expected, found }
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        *self.value == Value::Null
    }

    /// Refuses members that are none of `known`: what a reader skips may change what the rest means. `meta` is for remarks.
    pub fn only(&self, known: &[&str]) -> Result<(), ExchangeError> {
        let Value::Object(members) = self.value else { return Err(self.expected("an object")) };
        match members.iter().find(|(name, _)| name != "meta" && !known.contains(&name.as_str())) {
            Some((name, value)) => {
                let expected = format!("none but the members `{}` (remarks go under `meta`)", known.join("`, `"));
                let path = self.join(&name.chars().take(60).collect::<String>());
                Err(self.refuse(path, expected, value.describe()))
            }
            None => Ok(()),
        }
    }

    /// The member `name`, which must exist.
    pub fn member(&self, name: &str) -> Result<Field<'a>, ExchangeError> {
        self.optional(name)?.ok_or_else(|| self.refuse(self.join(name), "this member to be present".into(), "nothing".into()))
    }

    /// The member `name`, if it exists.
    pub fn optional(&self, name: &str) -> Result<Option<Field<'a>>, ExchangeError> {
        let Value::Object(members) = self.value else { return Err(self.expected("an object")) };
        let member = members.iter().find(|(own, _)| own == name);
        Ok(member.map(|(_, value)| Field { file: self.file, path: self.join(name), value }))
    }

    fn array(&self) -> Result<&'a [Value], ExchangeError> {
        match self.value {
            Value::Array(values) => Ok(values),
            _ => Err(self.expected("an array")),
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Result<Vec<Field<'a>>, ExchangeError> {
        let at = |(i, value)| Field { file: self.file, path: format!("{}[{i}]", self.path), value };
        Ok(self.array()?.iter().enumerate().map(at).collect())
    }

    /// The elements of an array of exactly `n`.
    pub fn exactly(&self, n: usize) -> Result<Vec<Field<'a>>, ExchangeError> {
        match self.array()?.len() == n {
            true => self.elements(),
            false => Err(self.expected(format!("an array of {n} elements"))),
        }
    }

    /// A number.
    pub fn number(&self) -> Result<&'a Number, ExchangeError> {
        match self.value {
            Value::Number(n) => Ok(n),
            _ => Err(self.expected("a number")),
        }
    }

    /// An array of exactly `n` numbers.
    pub fn numbers(&self, n: usize) -> Result<Vec<Number>, ExchangeError> {
        let values = self.array()?;
        if values.len() != n {
            return Err(self.expected(format!("an array of {n} numbers")));
        }
        let each = |(i, value): (usize, &Value)| match value {
            Value::Number(n) => Ok(n.clone()),
            other => Err(self.refuse(format!("{}[{i}]", self.path), "a number".into(), other.describe())),
        };
        values.iter().enumerate().map(each).collect()
    }

    /// An array of `rows` arrays of `columns` numbers, row by row.
    pub fn matrix(&self, rows: usize, columns: usize) -> Result<Vec<Number>, ExchangeError> {
        let mut all = Vec::new();
        for row in self.exactly(rows)? {
            all.extend(row.numbers(columns)?);
        }
        Ok(all)
    }

    /// A natural number of at most `limit`.
    pub fn natural(&self, limit: usize) -> Result<usize, ExchangeError> {
        let whole = self.number().ok().map(|n| n.near).filter(|x| x.low == x.high && x.low.fract() == 0.0 && x.low >= 0.0);
        let fitting = whole.map(|x| x.low).filter(|&x| x <= limit.min(1 << 52) as f64);
        fitting.map(|x| x as usize).ok_or_else(|| self.expected(format!("a whole number from 0 to {limit}")))
    }

    /// A natural number from 1 to `limit`.
    pub fn positive(&self, limit: usize) -> Result<usize, ExchangeError> {
        self.natural(limit).ok().filter(|&n| n > 0).ok_or_else(|| self.expected(format!("a whole number from 1 to {limit}")))
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Result<bool, ExchangeError> {
        match self.value {
            Value::Truth(b) => Ok(*b),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str, ExchangeError> {
        match self.value {
            Value::Text(s) => Ok(s),
            _ => Err(self.expected("a text")),
        }
    }

    /// Refuses a text other than `name`.
    pub fn is(&self, name: &str) -> Result<(), ExchangeError> {
        if self.text()? == name { Ok(()) } else { Err(self.expected(format!("the text `{name}`"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reading, parse};
    use super::*;

    #[test]
    fn refusals_name_file_place_and_expectation() {
        let value = parse(br#"{"a":[{"b":["x", 2.5]}]}"#, Reading::Decimal).expect("valid");
        let top = Field::top("c.json", &value);
        let inner = top.member("a").expect("a").elements().expect("array").remove(0).member("b").expect("b");
        assert_eq!(inner.numbers(2).unwrap_err().to_string(), "`c.json`, field `a[0].b[0]`: expected a number, found the text `x`");
        assert!(inner.numbers(3).unwrap_err().to_string().contains("an array of 3 numbers, found an array of 2 elements"));
        assert!(top.member("c").unwrap_err().to_string().contains("field `c`: expected this member to be present"));
        assert!(top.only(&["b"]).unwrap_err().to_string().contains("field `a`: expected none but the members `b`"));
        assert!(inner.elements().expect("array")[1].natural(9).unwrap_err().to_string().contains("a whole number from 0 to 9"));
        assert!(inner.member("x").unwrap_err().to_string().contains("expected an object"));
    }
}
