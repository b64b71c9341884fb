//! All small changes of a JSON document, each with the place it was made at.

use exchange::json::{Number, Value, array, quoted};

/// A document as text again.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Truth(b) => b.to_string(),
        Value::Number(n) => n.exact.to_string(),
        Value::Text(s) => quoted(s),
        Value::Array(v) => array(v.iter().map(text)),
        Value::Object(v) => format!("{{{}}}", v.iter().map(|(k, v)| format!("{}:{}", quoted(k), text(v))).collect::<Vec<_>>().join(",")),
    }
}

/// The same document with one place changed. Indices are left out of the place, so that changes can be counted by field.
pub fn all(value: &Value) -> Vec<(String, Value)> {
    let mut changed = Vec::new();
    walk(value, "", &mut |place, replacement| changed.push((place.to_string(), replacement)), &mut |v| v);
    changed
}

fn walk(value: &Value, place: &str, report: &mut dyn FnMut(&str, Value), rebuild: &mut dyn FnMut(Value) -> Value) {
    for own in replacements(value) {
        // What is no change proves nothing.
        if own != *value {
            report(place, rebuild(own));
        }
    }
    match value {
        Value::Array(elements) => {
            for (i, element) in elements.iter().enumerate() {
                let with = |new: Value| {
                    let mut all = elements.clone();
                    all[i] = new;
                    Value::Array(all)
                };
                walk(element, &format!("{place}[]"), report, &mut |new| rebuild(with(new)));
            }
        }
        Value::Object(members) => {
            for (i, (name, member)) in members.iter().enumerate() {
                let with = |new: Value| {
                    let mut all = members.clone();
                    all[i].1 = new;
                    Value::Object(all)
                };
                let inner = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                walk(member, &inner, report, &mut |new| rebuild(with(new)));
            }
        }
        _ => {}
    }
}

/// What a value is replaced by: neighbours, opposites, other types, more and fewer elements.
fn replacements(value: &Value) -> Vec<Value> {
    let number = |text: &str| Value::Number(Number::new(text.parse().expect("a number")));
    let mut all = vec![Value::Null];
    match value {
        Value::Number(n) => {
            let by = |text: &str| Value::Number(Number::new(&n.exact + &text.parse().expect("a number")));
            all.extend([by("1"), by("-1"), by("1e-9"), by("-1e-9"), by("0.125"), by("-0.125"), by("3"), by("-3")]);
            all.extend([Value::Number(Number::new(-&n.exact)), number("0"), number("1e300"), number("-1e300"), Value::Text("1".into())]);
        }
        Value::Truth(b) => all.push(Value::Truth(!b)),
        Value::Text(s) => {
            all.extend([
                Value::Text(format!("-{s}")),
                Value::Text(format!("{s}0")),
                Value::Text(format!("{s}/2")),
                Value::Text(format!("1{s}")),
            ]);
            all.extend([
                Value::Text(String::new()),
                Value::Text("0".into()),
                Value::Text("relu".into()),
                Value::Text("sub".into()),
                number("1"),
            ]);
        }
        Value::Array(v) => {
            all.extend([Value::Array(vec![]), Value::Array(v.iter().rev().cloned().collect())]);
            all.extend(v.first().map(|f| Value::Array([&v[..], std::slice::from_ref(f)].concat())));
            all.extend(v.split_last().map(|(_, rest)| Value::Array(rest.to_vec())));
        }
        Value::Object(v) => {
            all.extend((0..v.len()).map(|i| Value::Object([&v[..i], &v[i + 1..]].concat())));
            all.push(Value::Object([&v[..], &[("further".into(), Value::Null)]].concat()));
        }
        Value::Null => {}
    }
    all
}

/// Counts of accepted changes by field.
#[derive(Default, Debug)]
pub struct Tally {
    /// All changes.
    pub tried: usize,
    /// Accepted ones by place.
    pub accepted: std::collections::BTreeMap<String, usize>,
}

impl Tally {
    /// Counts one change.
    pub fn count(&mut self, place: &str, accepted: bool) {
        self.tried += 1;
        if accepted {
            *self.accepted.entry(place.to_string()).or_default() += 1;
        }
    }

    /// Number of accepted changes.
    pub fn total(&self) -> usize {
        self.accepted.values().sum()
    }
}
