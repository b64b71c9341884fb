//! A witness in the query's own format: text, or one ONNX TensorProto per variable.

use std::fs;
use std::path::Path;

use engine::graph::Element;
use engine::numerics::Decimal;
use engine::query::{Query, tensor_proto};
use engine::search::Witness;

use crate::failure::Failure;

/// The assignment as text: inputs are exact decimals inside the region as written, outputs the shortest that read back.
pub fn text(query: &Query, element: Element, witness: &Witness) -> String {
    query.format_assignment(&witness.input, &outputs(element, witness)) + "\n"
}

/// Writes `FOLDER/NAME.pb` for every declared variable.
pub fn serialise(query: &Query, element: Element, witness: &Witness, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::about(folder, format!("cannot be made: {e}")))?;
    for (variable, values) in query.variables_with_values(&witness.input, &outputs(element, witness)) {
        let path = folder.join(format!("{}.pb", variable.name));
        fs::write(&path, tensor_proto(variable, values)?).map_err(|e| Failure::about(&path, format!("cannot be written: {e}")))?;
    }
    Ok(())
}

fn outputs(element: Element, witness: &Witness) -> Vec<Decimal> {
    witness.output.iter().map(|&y| shortest(element, y)).collect()
}

/// The shortest decimal that reads back as this value of the network's type.
pub fn shortest(element: Element, value: f64) -> Decimal {
    let decimal = |x: f64| match element {
        Element::F32 => Decimal::shortest_f32(x as f32),
        Element::F64 => Decimal::shortest_f64(x),
    };
    // A witness for the real network may overflow in floating point, and infinity has no decimal: the largest number stands for it.
    let largest = match element {
        Element::F32 => f32::MAX.into(),
        Element::F64 => f64::MAX,
    };
    decimal(value).or_else(|| decimal(value.clamp(-largest, largest))).unwrap_or(Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_short_and_have_no_exponent() {
        let of = |x: f64| shortest(Element::F32, x).to_string();
        assert_eq!(of(0.1f32 as f64), "0.1");
        assert_eq!(of(1e20), "100000000000000000000");
        assert_eq!(of(f32::from_bits(1) as f64).parse::<f32>(), Ok(f32::from_bits(1)));
        assert_eq!(of(f64::INFINITY).parse::<f32>(), Ok(f32::MAX));
        assert_eq!(of(f64::NAN), "0");
    }
}
