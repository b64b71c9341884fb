//! The JSON of networks and queries: objects, lists, strings without escapes, integers. Everything else is refused.

/// A value. Lists of integers, of which files consist mostly, are kept flat.
#[derive(Clone, Debug)]
pub enum Value {
    /// An integer of 64 bits.
    Integer(i64),
    /// A string.
    Text(String),
    /// A list of integers only.
    Integers(Vec<i64>),
    /// Any other list.
    List(Vec<Value>),
    /// Members in the file's order; names differ.
    Object(Vec<(String, Value)>),
}

/// Deepest nesting.
const DEPTH: usize = 8;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Reads one value and nothing after it.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == bytes.len() { Ok(value) } else { reader.fail("the end of the file") }
}

impl Value {
    /// A member of an object.
    pub fn member(&self, name: &str) -> Result<&Value, String> {
        let Value::Object(members) = self else { return Err(format!("no object where `{name}` is looked for")) };
        members.iter().find(|(n, _)| n == name).map(|(_, v)| v).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// An object has no members but these.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let Value::Object(members) = self else { return Err("no object where one is expected".into()) };
        members.iter().find(|(n, _)| !known.contains(&n.as_str())).map_or(Ok(()), |(n, _)| Err(format!("`{n}` is not known")))
    }

    /// An integer.
    pub fn integer(&self) -> Result<i64, String> {
        if let Value::Integer(n) = self { Ok(*n) } else { Err("no integer where one is expected".into()) }
    }

    /// A string.
    pub fn text(&self) -> Result<&str, String> {
        if let Value::Text(text) = self { Ok(text) } else { Err("no string where one is expected".into()) }
    }

    /// A list of integers.
    pub fn integers(&self) -> Result<Vec<i64>, String> {
        if let Value::Integers(list) = self { Ok(list.clone()) } else { Err("no list of integers where one is expected".into()) }
    }

    /// A list of other values; an empty list too.
    pub fn list(&self) -> Result<&[Value], String> {
        match self {
            Value::List(list) => Ok(list),
            Value::Integers(list) if list.is_empty() => Ok(&[]),
            _ => Err("no list where one is expected".into()),
        }
    }
}

impl Reader<'_> {
    fn fail<T>(&self, expected: &str) -> Result<T, String> {
        Err(format!("byte {} of the JSON file: expected {expected}", self.at))
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return self.fail(&format!("`{}`", byte as char));
        }
        self.at += 1;
        Ok(())
    }

    /// True if another element follows, false at the closing byte.
    fn more(&mut self, close: u8) -> Result<bool, String> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(b) if b == close => {
                self.at += 1;
                return Ok(false);
            }
            _ => return self.fail(&format!("`,` or `{}`", close as char)),
        }
        Ok(true)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return self.fail("less nesting");
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Value::Text),
            _ => self.integer().map(Value::Integer),
        }
    }

    fn integer(&mut self) -> Result<i64, String> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or("");
        digits.parse().or_else(|_| self.fail("an integer of 64 bits"))
    }

    fn text(&mut self) -> Result<String, String> {
        self.take(b'"')?;
        let start = self.at;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'"' => {
                    let text = std::str::from_utf8(&self.bytes[start..self.at]).map(str::to_owned);
                    self.at += 1;
                    return text.or_else(|_| self.fail("UTF-8"));
                }
                b'\\' | 0..=0x1f => break,
                _ => self.at += 1,
            }
        }
        self.fail("a string without escapes")
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.take(b'[')?;
        let (mut integers, mut others) = (Vec::new(), Vec::new());
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Integers(integers));
        }
        loop {
            match self.value(depth + 1)? {
                Value::Integer(n) if others.is_empty() => integers.push(n),
                _ if !integers.is_empty() => return self.fail("integers only, as before"),
                other => others.push(other),
            }
            if !self.more(b']')? {
                break;
            }
        }
        Ok(if others.is_empty() { Value::Integers(integers) } else { Value::List(others) })
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.take(b'{')?;
        let mut members: Vec<(String, Value)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.text()?;
            self.take(b':')?;
            let value = self.value(depth + 1)?;
            if members.len() >= 64 || members.iter().any(|(n, _)| *n == name) {
                return self.fail("members with different names, at most 64");
            }
            members.push((name, value));
            if !self.more(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }
}
