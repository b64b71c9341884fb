//! Writing JSON: numbers with all their digits, so that every reader sees the same value.

use engine::numerics::Decimal;

/// A text in quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

/// An array of values that are JSON already.
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// An array of finite doubles, every one with all its digits: it is the same number for readers of decimals, of binary64 and,
/// where it is one, of binary32.
pub fn numbers(values: impl IntoIterator<Item = f64>) -> String {
    array(values.into_iter().map(|x| Decimal::from_f64(x).map_or_else(|| "null".into(), |d| d.to_string())))
}
