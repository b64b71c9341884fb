//! Networks from JSON and from HDF5.

use checker::integer::{Network, Query};

const LAYER: &str = r#"{"weights": [[1, -2], [0, 3]], "bias": [5, -5], "multiplier": 1, "shift": 3, "rounding": "half-up", "offset": 0, "low": 0, "high": 63}"#;

fn json(layers: &str) -> String {
    format!(r#"{{"format": "integer_network_v0_1", "input_low": 0, "input_high": 255, "layers": [{layers}]}}"#)
}

#[test]
fn json_says_what_it_says_or_is_refused() {
    let read = |text: &str| Network::read(text.as_bytes()).map(|network| format!("{network:?}"));
    let good = json(LAYER);
    let spaced = good.replace(',', " \n,\t").replace(':', " :\r\n").replace('[', "[ ").replace(']', " ]") + "\n ";
    assert!(read(&good).is_ok() && read(&spaced) == read(&good));
    assert_eq!(read(&good.replace("layers", r#"made_by": "a test", "layers"#)), read(&good));
    for (from, to) in [
        ("5, -5", "5, -5,"),
        ("5, -5", "5 -5"),
        ("5, -5", "5, --5"),
        ("5, -5", "5, -5.0"),
        ("5, -5", "5, -5e0"),
        ("5, -5", "5, -"),
        ("5, -5", "5, 9223372036854775808"),
        ("5, -5", "5, [-5]"),
        ("5, -5", "[5], -5"),
        ("[5, -5]", "[5, -5}"),
        ("[[1, -2], [0, 3]]", "[[1, -2], [0, 3], 4]"),
        ("[[1, -2], [0, 3]]", "[1, -2, [0, 3]]"),
        ("[[1, -2], [0, 3]]", "[]"),
        ("\"shift\": 3,", ""),
        ("\"shift\": 3,", "\"shift\": \"3\","),
        ("\"shift\": 3,", "\"shift\": 3, \"shift\": 4,"),
        ("\"shift\": 3,", "\"shift\": 3, \"also\": 4,"),
        ("\"shift\": 3,", "\"shift\" 3,"),
        ("\"shift\": 3,", "\"shi\\u0066t\": 3,"),
        ("half-up", "half-even-more"),
        ("_v0_1", "_v0_2"),
        ("\"input_low\": 0,", "\"input_low\": 0, \"more\": 1,"),
        ("\"input_low\": 0,", ""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(bad != good && read(&bad).is_err(), "{bad}");
    }
    assert!(read(&format!("{good} 1")).is_err() && read(&format!("{good}{good}")).is_err() && read(&format!("1 {good}")).is_err());
    (0..good.len()).for_each(|end| assert!(read(&good[..end]).is_err()));
    let query = r#"{"format": "integer_query_v0_1", "low": [0, 3], "high": [4, 3], "label": 1}"#;
    let read = |text: &str| Query::read(text.as_bytes()).map(|q| (q.input, q.label));
    assert_eq!(read(query), Ok((vec![(0, 4), (3, 3)], 1)));
    for (from, to) in [("query_v", "network_v"), ("1}", "1, \"strict\": 1}"), ("1}", "1, \"label\": 1}"), ("1}", "\"1\"}")] {
        assert!(read(&query.replace(from, to)).is_err());
    }
    // A list in a list in a list ... nine deep.
    assert!(read(&query.replace("[0, 3]", &format!("{}0{}", "[".repeat(9), "]".repeat(9)))).is_err_and(|why| why.contains("nesting")));
}

/// A layer by name: sizes and numbers of the kernel, and the bias.
type Weights = (&'static str, [u64; 2], &'static [f32], &'static [f32]);

/// HDF5 files as Keras writes them: superblock 0, symbol tables, object headers of version 1, contiguous arrays.
struct Hdf(Vec<u8>);

impl Hdf {
    fn put(&mut self, parts: &[&[u8]]) -> u64 {
        let at = self.0.len() as u64;
        parts.iter().for_each(|part| self.0.extend(*part));
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        at
    }

    /// An object header; the messages from the second on lie in a continuation block.
    fn header(&mut self, messages: &[(u16, Vec<u8>)]) -> u64 {
        let block = |messages: &[(u16, Vec<u8>)]| -> Vec<u8> {
            let one = |(kind, data): &(u16, Vec<u8>)| [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), &[0; 4], data].concat();
            messages.iter().flat_map(one).collect()
        };
        let later = block(&messages[1..]);
        let next = if later.is_empty() { vec![] } else { vec![(0x10, vec![self.put(&[&later]), later.len() as u64])] };
        let next: Vec<(u16, Vec<u8>)> = next.into_iter().map(|(k, n)| (k, n.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
        let first = block(&[&messages[..1], &next].concat());
        let count = (messages.len() + next.len()) as u16;
        self.put(&[&[1, 0], &count.to_le_bytes(), &1u32.to_le_bytes(), &(first.len() as u32).to_le_bytes(), &[0; 4], &first])
    }

    fn array(&mut self, sizes: &[u64], numbers: &[f32]) -> u64 {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let at = self.put(&[&bytes]);
        let space = [&[1, sizes.len() as u8, 0, 0, 0, 0, 0, 0][..], &sizes.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>()];
        let kind = [0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0, 0, 0, 0, 0];
        let layout = [&[3, 1][..], &at.to_le_bytes(), &(bytes.len() as u64).to_le_bytes(), &[0; 6]].concat();
        self.header(&[(1, space.concat()), (3, kind.to_vec()), (8, layout)])
    }

    /// A group whose members lie in two symbol nodes.
    fn group(&mut self, members: &[(&str, u64)]) -> u64 {
        let (mut names, mut nodes) = (vec![0; 8], Vec::new());
        for half in [&members[..members.len() / 2], &members[members.len() / 2..]] {
            let mut entries = Vec::new();
            for (name, header) in half {
                entries.extend([(names.len() as u64).to_le_bytes(), header.to_le_bytes(), [0; 8], [0; 8], [0; 8]].concat());
                names.extend(name.bytes().chain([0]));
            }
            nodes.push(self.put(&[b"SNOD\x01\0", &(half.len() as u16).to_le_bytes(), &entries]));
        }
        let segment = self.put(&[&names]);
        let heap = self.put(&[b"HEAP\0\0\0\0", &(names.len() as u64).to_le_bytes(), &[0; 8], &segment.to_le_bytes()]);
        let children: Vec<u8> = nodes.iter().flat_map(|n| [[0; 8], n.to_le_bytes()].concat()).collect();
        let table = self.put(&[b"TREE\0\0\x02\0", &[255; 16], &children, &[0; 8]]);
        self.header(&[(0x11, [table.to_le_bytes(), heap.to_le_bytes()].concat())])
    }

    /// The layers, each in a group of its name in a group of its name.
    fn network(layers: &[Weights]) -> Vec<u8> {
        let mut file = Hdf(vec![0; 96]);
        let mut groups = Vec::new();
        for (name, sizes, kernel, bias) in layers {
            let (kernel, bias) = (file.array(sizes, kernel), file.array(&[bias.len() as u64], bias));
            let inner = file.group(&[("bias:0", bias), ("kernel:0", kernel)]);
            groups.push((*name, file.group(&[(name, inner)])));
        }
        let root = file.group(&groups);
        file.0[..24].copy_from_slice(b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0");
        file.0[64..72].copy_from_slice(&root.to_le_bytes());
        file.0
    }
}

/// Taken in the order of the numbers 0, 2, 10.
const LAYERS: [Weights; 3] = [
    ("dense_10", [2, 2], &[0.03125, -0.25, 0.109375, 0.046875], &[-0.5, 0.0625]),
    ("dense", [3, 2], &[1.0, -1.0, 0.5, 0.265625, -0.015625, 7.0], &[0.125, -0.0625]),
    ("dense_2", [2, 2], &[0.0625, 0.09375, -0.03125, -2.0], &[1.0, 2.5]),
];

/// Weights times 32 and biases times 16, to the nearest (halves away from 0) in [-32, 31]; biases then by the shift, 2^9 or 2^5.
#[test]
fn keras_files_are_quantized_in_the_order_of_their_numbers() {
    let layer = |weights: &str, bias: &str, shift: usize, low: i64, high: i64| {
        format!(
            r#"{{"weights": {weights}, "bias": {bias}, "multiplier": 1, "shift": {shift}, "rounding": "half-up", "offset": 0, "low": {low}, "high": {high}}}"#
        )
    };
    // Kernels are inputs x outputs: 0.265625 * 32 = 8.5, -0.015625 * 32 = -0.5, 0.109375 * 32 = 3.5, 0.046875 * 32 = 1.5.
    let expected = json(
        &[
            layer("[[31, 16, -1], [-32, 9, 31]]", "[1024, -512]", 9, 0, 63),
            layer("[[2, -1], [3, -32]]", "[512, 992]", 5, 0, 63),
            layer("[[1, 4], [-8, 2]]", "[-256, 32]", 5, -32, 31),
        ]
        .join(","),
    );
    let file = Hdf::network(&LAYERS);
    assert_eq!(format!("{:?}", Network::read(&file)), format!("{:?}", Network::read(expected.as_bytes())));
    assert!(Network::read(&file).is_ok());
}

#[test]
fn keras_files_that_contradict_themselves_are_refused() {
    let refused = |layers: &[Weights]| Network::read(&Hdf::network(layers)).unwrap_err();
    let [last, first, middle] = LAYERS;
    assert!(refused(&[last, first, ("dense_010", middle.1, middle.2, middle.3)]).contains("the same number"));
    assert!(refused(&[first, ("dense_2", [1, 4], middle.2, middle.3)]).contains("do not fit"));
    assert!(refused(&[("dense", [2, 3], first.2, first.3), middle]).contains("do not fit"));
    assert!(refused(&[first, ("dense_2", middle.1, middle.2, &[1.0])]).contains("do not fit"));
    assert!(refused(&[first, ("dense_2", middle.1, &middle.2[..3], middle.3)]).contains("form"));
    assert!(refused(&[("dense", [0, 2], &[], first.3), middle]).contains("do not fit"));
    assert!(refused(&[first, ("dense_2", middle.1, &[0.5, f32::NAN, 0.0, 0.0], middle.3)]).contains("not finite"));
    assert!(refused(&[first, ("dense_2", middle.1, middle.2, &[1.0, f32::INFINITY])]).contains("not finite"));
    let good = Hdf::network(&LAYERS);
    // Nothing but padding and the root's last header can be missing.
    for end in 0..good.len() - 8 {
        assert!(Network::read(&good[..end]).is_err(), "{end}");
    }
    // The header of an array says that it has one message less: its place is not read.
    let header = good.windows(8).position(|w| w == [1, 0, 4, 0, 1, 0, 0, 0]).unwrap();
    let fewer = [&good[..header + 2], &[3], &good[header + 3..]].concat();
    assert_ne!(format!("{:?}", Network::read(&fewer)), format!("{:?}", Network::read(&good)));
    let find = |what: &[u8]| good.windows(what.len()).position(|w| w == what).unwrap();
    // The superblock's version, sizes of offsets and lengths, base address; signatures; type and place of numbers; a name; a path.
    let places = [8, 13, 14, 24, find(b"HEAP"), find(b"TREE"), find(b"SNOD"), find(b"\x11\x20\x1f"), find(b"\x11\x20\x1f") + 12];
    for at in places.into_iter().chain([find(b"\x03\x01"), find(b"\x03\x01") + 1, find(b"bias:0"), find(b"kernel:0")]) {
        let mut bad = good.clone();
        bad[at] ^= 2;
        assert_ne!(format!("{:?}", Network::read(&bad)), format!("{:?}", Network::read(&good)), "{at}");
        assert!(at == find(b"kernel:0") || Network::read(&bad).is_err(), "{at}");
    }
}
