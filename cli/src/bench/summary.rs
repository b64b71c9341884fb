//! The table at the end of a benchmark run, one line per family.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::list::Key;
use super::record::Record;
use super::truth::Truth;

/// The summary of these records, with every wrong verdict and every kind of error named.
pub fn text(records: &[Record], truth: &Truth) -> String {
    let mut families: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        families.entry(&record.family).or_default().push(record);
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}",
        row(["family", "inst", "decided", "sat", "unsat", "WRONG", "errors", "med wall s", "med cpu s", "cpu s", "best tool"])
    );
    for (family, records) in &families {
        let _ = writeln!(text, "{}", family_row(family, records, truth));
    }
    if families.len() > 1 {
        let _ = writeln!(text, "{}", family_row("all", &records.iter().collect::<Vec<_>>(), &Truth::default()));
    }
    for record in records.iter().filter(|r| r.wrong()) {
        let expected = record.expected.as_deref().unwrap_or_default();
        let _ = writeln!(text, "WRONG: {} {} {}: {}, expected {expected}", record.family, record.onnx, record.vnnlib, record.result);
    }
    errors(&mut text, records);
    text
}

fn family_row(family: &str, records: &[&Record], truth: &Truth) -> String {
    let count = |test: &dyn Fn(&Record) -> bool| records.iter().filter(|r| test(r)).count().to_string();
    let cpu: Vec<f64> = records.iter().filter_map(|r| r.cpu_s).collect();
    let keys: Vec<Key> = records.iter().map(|r| r.key()).collect();
    row([
        family,
        &records.len().to_string(),
        &count(&Record::decided),
        &count(&|r| r.result == "sat"),
        &count(&|r| r.result == "unsat"),
        &count(&Record::wrong),
        &count(&|r| r.result == "error"),
        &median(records.iter().filter(|r| r.decided()).map(|r| r.wall_s).collect()),
        &median(records.iter().filter(|r| r.decided()).filter_map(|r| r.cpu_s).collect()),
        &format!("{:.2}", cpu.iter().sum::<f64>() + 0.0),
        &truth.best_tool(&keys).map_or(String::new(), |(tool, solved)| format!("{solved} {tool}")),
    ])
}

/// The median over decided instances.
fn median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => "-".into(),
        n => format!("{:.3}", (values[(n - 1) / 2] + values[n / 2]) / 2.0),
    }
}

/// Errors of the same words, numbers aside, are one kind.
fn errors(text: &mut String, records: &[Record]) {
    let mut kinds: BTreeMap<(&str, String), (usize, &str)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.result == "error") {
        let reason = record.reason.as_deref().unwrap_or("no message");
        let kind = reason.replace(&record.onnx, "").replace(&record.vnnlib, "");
        let kind: String = kind.chars().filter(|c| !c.is_ascii_digit()).collect();
        kinds.entry((&record.family, kind)).or_insert((0, reason)).0 += 1;
    }
    for ((family, _), (count, example)) in kinds {
        let _ = writeln!(text, "{count} errors in {family}, such as: {example}");
    }
}

fn row(cells: [&str; 11]) -> String {
    let [family, rest @ .., best] = cells;
    let rest: Vec<String> = rest.iter().zip([5, 8, 5, 6, 6, 7, 11, 10, 10]).map(|(cell, width)| format!("{cell:>width$}")).collect();
    format!("{family:<30}{}  {best}", rest.concat()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_verdict_is_counted_and_named() {
        let record =
            Record { family: "f".into(), onnx: "n.onnx".into(), result: "unsat".into(), expected: Some("sat".into()), ..Record::default() };
        let text = text(&[record], &Truth::default());
        assert!(text.contains("WRONG: f n.onnx"), "{text}");
    }

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), "2.500");
        assert_eq!(median(vec![]), "-");
    }
}
