//! Strict reading of JSON: a cursor that knows its file and field, so that every refusal says where and what.

use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::DigitsError;

/// Reads a whole file; the error names it.
pub fn read_bytes(file: &Path) -> Result<Vec<u8>, DigitsError> {
    std::fs::read(file).map_err(|source| DigitsError::Read { file: file.into(), source })
}

/// Writes a whole file; the error names it.
pub fn write_bytes(file: &Path, bytes: &[u8]) -> Result<(), DigitsError> {
    std::fs::write(file, bytes).map_err(|source| DigitsError::Write { file: file.into(), source })
}

/// Parses JSON bytes; `file` is for messages. An object with the same member twice is refused: readers would differ on it.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Value, DigitsError> {
    let value: Result<Unambiguous, _> = serde_json::from_slice(bytes);
    value.map(|v| v.0).map_err(|source| DigitsError::Json { file: file.into(), source })
}

/// A JSON value without repeated members.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Unambiguous, D::Error> {
        source.deserialize_any(AnyValue).map(Unambiguous)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(value)) = elements.next_element()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unambiguous(value))) = members.next_entry::<String, _>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("member `{key}` appears twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
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

    #[test]
    fn a_repeated_member_is_refused() {
        assert!(parse("w.json", br#"[{"a":1,"a":1}]"#).unwrap_err().to_string().contains("`a` appears twice"));
    }

    #[test]
    fn garbage_and_deep_nesting_are_refused() {
        for bytes in [&b"\xff\xfe"[..], b"", b"{\"a\":", &[b'['; 100_000]] {
            assert!(parse("w.json", bytes).is_err());
        }
    }
}
