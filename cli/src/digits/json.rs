//! Strict reading of JSON: a cursor that knows its file and field, so that every refusal says where and what.

use std::path::Path;

use serde_json::Value;

use super::error::DigitsError;

/// Reads a whole file; the error names it.
pub fn read_bytes(file: &Path) -> Result<Vec<u8>, DigitsError> {
    std::fs::read(file).map_err(|source| DigitsError::Read { file: file.into(), source })
}

/// Writes a whole file; the error names it.
pub fn write_bytes(file: &Path, bytes: &[u8]) -> Result<(), DigitsError> {
    std::fs::write(file, bytes).map_err(|source| DigitsError::Write { file: file.into(), source })
}

/// Parses JSON bytes; `file` is for messages.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Value, DigitsError> {
    serde_json::from_slice(bytes).map_err(|source| DigitsError::Json { file: file.into(), source })
}

/// A place in a JSON document.
#[derive(Clone)]
pub struct Field<'a> {
    file: &'a str,
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The top of a document.
    pub fn top(file: &'a str, value: &'a Value) -> Field<'a> {
        Field { file, path: String::new(), value }
    }

    /// A refusal of this place.
    pub fn expected(&self, what: impl Into<String>) -> DigitsError {
        let field = if self.path.is_empty() { "(top level)".into() } else { self.path.clone() };
        DigitsError::Field { file: self.file.into(), field, expected: what.into(), found: describe(self.value) }
    }

    /// The member `key`, which must exist.
    pub fn member(&self, key: &str) -> Result<Field<'a>, DigitsError> {
        self.optional(key)?.ok_or_else(|| DigitsError::Field {
            file: self.file.into(),
            field: self.join(key),
            expected: "this member to be present".into(),
            found: "nothing".into(),
        })
    }

    /// The member `key`, if it exists.
    pub fn optional(&self, key: &str) -> Result<Option<Field<'a>>, DigitsError> {
        let members = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        Ok(members.get(key).map(|value| Field { file: self.file, path: self.join(key), value }))
    }

    /// Names of the members of an object.
    pub fn keys(&self) -> Result<Vec<&'a str>, DigitsError> {
        let members = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        Ok(members.keys().map(String::as_str).collect())
    }

    /// The elements of an array.
    pub fn elements(&self) -> Result<Vec<Field<'a>>, DigitsError> {
        let values = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let at = |(i, value)| Field { file: self.file, path: format!("{}[{i}]", self.path), value };
        Ok(values.iter().enumerate().map(at).collect())
    }

    /// The elements of an array of exactly `n`.
    pub fn exactly(&self, n: usize) -> Result<Vec<Field<'a>>, DigitsError> {
        let elements = self.elements()?;
        if elements.len() != n {
            return Err(self.expected(format!("an array of {n} elements")));
        }
        Ok(elements)
    }

    /// A finite number.
    pub fn number(&self) -> Result<f64, DigitsError> {
        self.value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| self.expected("a finite number"))
    }

    /// An array of exactly `n` finite numbers.
    pub fn numbers(&self, n: usize) -> Result<Vec<f64>, DigitsError> {
        self.exactly(n)?.iter().map(Field::number).collect()
    }

    /// A natural number of at most `limit`.
    pub fn natural(&self, limit: usize) -> Result<usize, DigitsError> {
        let number = self.value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= limit);
        number.ok_or_else(|| self.expected(format!("a whole number from 0 to {limit}")))
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Result<bool, DigitsError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str, DigitsError> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    /// Refuses a text that is none of `allowed`.
    pub fn one_of(&self, allowed: &[&str]) -> Result<&'a str, DigitsError> {
        let text = self.text()?;
        if allowed.contains(&text) { Ok(text) } else { Err(self.expected(format!("`{}`", allowed.join("` or `")))) }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }
}

/// A few words about a value, short even for a huge one.
fn describe(value: &Value) -> String {
    match value {
        Value::Array(v) => format!("an array of {} elements", v.len()),
        Value::Object(v) => format!("an object of {} members", v.len()),
        Value::String(s) => format!("the text `{}`", s.chars().take(60).collect::<String>()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_file_field_and_expectation() {
        let value = parse("w.json", br#"{"a":[{"b":"x"}]}"#).expect("valid");
        let top = Field::top("w.json", &value);
        let inner = top.member("a").expect("a").elements().expect("array").remove(0).member("b").expect("b");
        assert_eq!(inner.number().unwrap_err().to_string(), "`w.json`, field `a[0].b`: expected a finite number, found the text `x`");
        assert!(top.member("c").err().expect("missing").to_string().contains("field `c`"));
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_refused() {
        assert!(parse("w.json", b"[1e999]").is_err());
        assert!(parse("w.json", b"[NaN]").is_err());
    }
}
