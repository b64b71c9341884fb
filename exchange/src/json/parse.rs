//! A strict JSON parser (RFC 8259) that cannot be made to overflow the stack, to guess between two members of one name, or to
//! lose a digit.

use engine::numerics::{Decimal, Interval};

use super::value::{Number, Value};

/// How the numbers of a file are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As they are written.
    #[default]
    Decimal,
    /// As the nearest binary64 numbers: what most programs that write JSON had in mind.
    Binary64,
}

/// Deepest nesting of arrays and objects.
pub const DEEPEST: usize = 64;

/// Largest size of a number, see [`Decimal::bits`]: the full digits of the smallest double take less than 7,000.
const LONGEST: u64 = 8192;

/// Where and why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct Malformed {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What was expected.
    pub problem: String,
}

/// Reads one JSON value and nothing after it.
pub fn parse(bytes: &[u8], reading: Reading) -> Result<Value, Malformed> {
    let mut parser = Parser { bytes, at: 0, reading };
    let value = parser.value(0)?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.fail("expected the end of the file after the top-level value")),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    reading: Reading,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fail(&self, problem: impl Into<String>) -> Malformed {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&b| b != b'\n').count();
        Malformed { line, column, problem: problem.into() }
    }

    /// Takes `byte` if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += here as usize;
        here
    }

    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth == DEEPEST => Err(self.fail(format!("nested deeper than {DEEPEST} levels"))),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value, Malformed> {
        let rest = &self.bytes[self.at..];
        for (word, value) in [("null", Value::Null), ("true", Value::Truth(true)), ("false", Value::Truth(false))] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        let foreign = ["NaN", "Infinity", "nan", "inf"].iter().find(|word| rest.starts_with(word.as_bytes()));
        Err(match foreign {
            Some(word) => self.fail(format!("`{word}` is no JSON number: a certificate states finite numbers")),
            None => self.fail("expected a JSON value"),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.takes(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            match (self.takes(b','), self.takes(b']')) {
                (true, false) => {}
                (false, true) => return Ok(Value::Array(elements)),
                _ => return Err(self.fail("expected `,` or `]`")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.space();
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fail("expected the name of a member, in double quotes"));
            }
            let name = self.text()?;
            if !names.insert(name.clone()) {
                return Err(self.fail(format!("member `{name}` appears twice: readers would differ on it")));
            }
            self.space();
            if !self.takes(b':') {
                return Err(self.fail("expected `:`"));
            }
            members.push((name, self.value(depth)?));
            self.space();
            match (self.takes(b','), self.takes(b'}')) {
                (true, false) => {}
                (false, true) => return Ok(Value::Object(members)),
                _ => return Err(self.fail("expected `,` or `}`")),
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Number, Malformed> {
        let start = self.at;
        self.takes(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || leading_zero && whole > 1 {
            return Err(self.fail("expected a number such as -1.5e-3, without leading zeros"));
        }
        if self.takes(b'.') && self.digits() == 0 {
            return Err(self.fail("expected digits after the point"));
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            if self.digits() == 0 {
                return Err(self.fail("expected digits of the exponent"));
            }
        }
        let text = &self.bytes[start..self.at];
        self.read(text)
    }

    fn read(&self, text: &[u8]) -> Result<Number, Malformed> {
        let exact = Decimal::parse(text).map_err(|e| self.fail(e.to_string()))?;
        if exact.bits() > LONGEST {
            return Err(self.fail("a number outside the range of binary64, or with too many digits"));
        }
        let written = std::str::from_utf8(text).unwrap_or("").parse().unwrap_or(f64::NAN);
        if !f64::is_finite(written) {
            return Err(self.fail("a number outside the range of binary64"));
        }
        if self.reading == Reading::Binary64 {
            return Number::of_f64(written).ok_or_else(|| self.fail("a number outside the range of binary64"));
        }
        // Short whole numbers are doubles; any other one lies between the neighbours of the nearest double.
        let whole = text.len() <= 15 && text.iter().all(|b| b.is_ascii_digit() || *b == b'-');
        let near = match whole || exact.is_zero() {
            true => Interval::point(written),
            false => Interval { low: written.next_down(), high: written.next_up() },
        };
        Ok(Number { exact, near })
    }

    fn text(&mut self) -> Result<String, Malformed> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.fail("a text without its closing quote")),
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut text)?,
                Some(0..=0x1f) => return Err(self.fail("a control character in a text")),
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        String::from_utf8(text).map_err(|_| self.fail("a text that is not UTF-8"))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Malformed> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => b,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(text),
            _ => return Err(self.fail("an unknown escape in a text")),
        };
        text.push(plain);
        self.at += 1;
        Ok(())
    }

    /// `\uXXXX`, or a pair of surrogates.
    fn unicode(&mut self, text: &mut Vec<u8>) -> Result<(), Malformed> {
        let unit = |parser: &mut Self| {
            let digits = parser.bytes.get(parser.at + 1..parser.at + 5).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
            let unit = digits.and_then(|d| u16::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
            parser.at += 5;
            unit.ok_or_else(|| parser.fail("expected four hexadecimal digits after \\u"))
        };
        let mut units = vec![unit(self)?];
        if (0xd800..0xdc00).contains(&units[0]) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 1;
            units.push(unit(self)?);
        }
        let decoded = String::from_utf16(&units).map_err(|_| self.fail("a lone surrogate in a text"))?;
        text.extend_from_slice(decoded.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes(), Reading::Decimal).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_keep_every_digit() {
        let Ok(Value::Number(n)) = read("-0.1000000000000000055511151231257827e0") else { panic!("a number") };
        assert_eq!(n.exact.to_string(), "-0.1000000000000000055511151231257827");
        assert!(n.near.low <= -0.1 && n.near.high >= -0.1 && n.near.low < n.near.high);
        let Ok(Value::Number(n)) = parse(b"0.1", Reading::Binary64) else { panic!("a number") };
        assert_eq!(n.exact, Decimal::from_f64(0.1).expect("finite"));
        let Ok(Value::Number(n)) = read("1e-400") else { panic!("a number") };
        assert!(n.near.low < 0.0 && n.near.high > 0.0, "a number that underflows is no zero");
    }

    #[test]
    fn texts_and_structure_are_read() {
        let expected =
            Value::Object(vec![("a\n".into(), Value::Array(vec![Value::Null, Value::Truth(true), Value::Text("\u{1f600}é".into())]))]);
        assert_eq!(read(" { \"a\\n\" : [ null , true, \"\\ud83d\\ude00\\u00e9\" ] } "), Ok(expected));
        assert_eq!(read("[]"), Ok(Value::Array(vec![])));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for bad in [
            "",
            "[",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "[1 2]",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "-",
            "tru",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\u12\"",
            "[1]]",
            "1e999",
            "-1e400",
            "\"\u{1}\"",
            "\u{feff}1",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("{\"a\":1,\n \"a\":2}").unwrap_err(), "line 2, column 5: member `a` appears twice: readers would differ on it");
        assert!(read("[NaN]").unwrap_err().contains("`NaN` is no JSON number"));
        assert!(parse(b"\"\xff\"", Reading::Decimal).is_err());
        assert!(parse(&[b'['; 1_000_000], Reading::Decimal).unwrap_err().problem.contains("deeper than 64"));
        assert!(read(&"1".repeat(100_000)).unwrap_err().contains("digits"));
    }

    #[test]
    fn every_truncation_is_refused() {
        let good = br#"{"a":[1,-2.5e-3,"x\u00e9"],"b":{"c":null,"d":false}}"#;
        assert!(parse(good, Reading::Decimal).is_ok());
        assert!((0..good.len()).all(|n| parse(&good[..n], Reading::Decimal).is_err()));
    }
}
