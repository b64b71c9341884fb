//! Files of networks: all formats agree, damaged ones are refused.

use checker::integer;
use engine::numerics::Random;
use engine::quantized::read::{self, network_to_json};
use engine::quantized::{Network, Requantise, Rounding};

use crate::support::{data, tiny};

/// Cut-off and changed weight files give errors, never a panic; both readers agree on what they take.
#[test]
fn damaged_weight_files_are_refused() {
    let Some(folder) = data() else { return };
    let good = std::fs::read(folder.join("mnist_mlp.h5")).expect("readable");
    let path = std::path::Path::new("damaged.h5");
    let refused = |bytes: &[u8]| (read::network_from_bytes(bytes, path).is_err(), integer::Network::read(bytes).is_err());
    assert_eq!(refused(&good), (false, false));
    for length in (0..good.len()).step_by(997).chain(0..200) {
        assert_eq!(refused(&good[..length]), (true, true), "{length}");
    }
    let mut random = Random::new(3);
    let mut errors = 0;
    for _ in 0..1500 {
        let mut bad = good.clone();
        for _ in 0..1 + random.bits() % 3 {
            // The structure lies in the first bytes and between the arrays.
            let at = random.bits() as usize % if random.bits().is_multiple_of(2) { 0x2800 } else { bad.len() };
            bad[at] = random.bits() as u8;
        }
        errors += usize::from(refused(&bad).0);
    }
    assert!(errors > 20, "{errors}");
}

/// npz and JSON files of the same network are the same network; damaged ones are refused.
#[test]
fn files_of_integers_come_back() {
    let path = std::path::Path::new("net");
    let network = tiny(&mut Random::new(12), 2);
    let text = network_to_json(&network, None).expect("one shift per layer");
    assert_eq!(read::network_from_bytes(text.as_bytes(), path).expect("readable"), network);
    for length in 0..text.len() - 2 {
        assert!(read::network_from_bytes(&text.as_bytes()[..length], path).is_err(), "{length}");
        assert!(integer::Network::read(&text.as_bytes()[..length]).is_err(), "{length}");
    }
    let zip = npz(&network);
    assert_eq!(read::network_from_bytes(&zip, path).expect("readable"), network);
    for length in 0..zip.len() {
        assert!(read::network_from_bytes(&zip[..length], path).is_err(), "{length}");
    }
    let mut random = Random::new(4);
    for _ in 0..3000 {
        let mut bad = zip.clone();
        let at = random.bits() as usize % bad.len();
        bad[at] = random.bits() as u8;
        let _ = read::network_from_bytes(&bad, path);
    }
}

/// Shifts of single outputs are raised to one; what JSON has no place for is refused, not dropped.
#[test]
fn a_network_is_written_as_it_is_or_not_at_all() {
    let path = std::path::Path::new("net");
    let plain = tiny(&mut Random::new(12), 2);
    let with = |change: &dyn Fn(&mut Requantise)| {
        let mut layers = plain.layers().to_vec();
        let one = layers[0].staircase(0).to_owned();
        layers[0].requantise = vec![one; layers[0].outputs];
        change(&mut layers[0].requantise[1]);
        Network::new(plain.input_range(), layers).expect("small numbers")
    };
    let shifted = with(&|r| r.shift += 2);
    let read = read::network_from_bytes(network_to_json(&shifted, None).expect("shifts only").as_bytes(), path).expect("readable");
    let (low, high) = plain.input_range();
    let mut random = Random::new(3);
    for _ in 0..500 {
        let x: Vec<i64> = (0..plain.inputs()).map(|_| low + (random.bits() % (high - low + 1) as u64) as i64).collect();
        assert_eq!(read.evaluate(&x), shifted.evaluate(&x));
    }
    assert!(network_to_json(&with(&|r| r.offset += 1), None).is_err_and(|why| why.contains("layer 0")));
}

/// A stored (not deflated) npz, as numpy.savez writes it.
fn npz(network: &Network) -> Vec<u8> {
    let (low, high) = network.input_range();
    let mut arrays = vec![("input".to_owned(), vec![2], vec![low, high])];
    for (k, layer) in network.layers().iter().enumerate() {
        let weights = layer.weights.iter().map(|&w| i64::from(w)).collect();
        arrays.push((format!("layers.{k}.weight"), vec![layer.outputs, layer.inputs], weights));
        arrays.push((format!("layers.{k}.bias"), vec![layer.outputs], layer.bias.clone()));
        let mode = |r: &Requantise| Rounding::ALL.iter().position(|(m, _)| *m == r.rounding).expect("a mode") as i64;
        let row = |r: &Requantise| [r.multiplier, r.shift.into(), mode(r), r.offset, r.low, r.high];
        let rows: Vec<i64> = layer.requantise.iter().flat_map(row).collect();
        arrays.push((format!("layers.{k}.requantise"), vec![layer.requantise.len(), 6], rows));
    }
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, shape, data) in &arrays {
        let sizes: String = shape.iter().map(|s| format!("{s}, ")).collect();
        let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({sizes}), }}\n");
        let mut member = b"\x93NUMPY\x01\x00".to_vec();
        member.extend((header.len() as u16).to_le_bytes());
        member.extend(header.as_bytes());
        data.iter().for_each(|v| member.extend(v.to_le_bytes()));
        let (file, size) = (format!("{name}.npy"), (member.len() as u32).to_le_bytes());
        let length = (file.len() as u16).to_le_bytes();
        let offset = (bytes.len() as u32).to_le_bytes();
        bytes.extend([b"PK\x03\x04".as_slice(), &[0; 14], &size, &size, &length, &[0, 0], file.as_bytes(), &member].concat());
        directory.extend([b"PK\x01\x02".as_slice(), &[0; 16], &size, &size, &length, &[0; 12], &offset, file.as_bytes()].concat());
    }
    let (start, count) = ((bytes.len() as u32).to_le_bytes(), (arrays.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    bytes.extend([&directory[..], b"PK\x05\x06", &[0; 4], &count, &count, &size, &start, &[0, 0]].concat());
    bytes
}
