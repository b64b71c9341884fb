//! The part of HDF5 that Keras writes: old-style groups and contiguous arrays of 32-bit floats.
//!
//! Source: HDF5 File Format Specification, version 3.0. Superblock 0 or 1, symbol tables (B-tree version 1, local heap), object
//! headers of version 1, contiguous or compact layout, IEEE binary32 little-endian. Everything else is refused by name. Offsets and
//! sizes are taken for claims: each read is checked against the file, and the number of objects is limited.

/// An array with its path inside the file.
#[derive(Debug, PartialEq)]
pub struct Dataset {
    /// Names from the root, joined by `/`.
    pub path: String,
    /// Sizes; empty for a single number.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// What is wrong, in words.
type Problem = String;

/// Far more objects than a weight file holds, and deeper nesting.
const MOST_OBJECTS: usize = 10_000;
const MOST_DEPTH: usize = 32;

/// The bytes with checked access.
struct File<'a> {
    bytes: &'a [u8],
    /// Offset of the addresses in the file.
    base: u64,
}

/// A message of an object header: its type and its content.
struct Message<'a> {
    kind: u16,
    data: &'a [u8],
}

/// All float arrays of a file.
pub fn datasets(bytes: &[u8]) -> Result<Vec<Dataset>, Problem> {
    let (file, root) = superblock(bytes)?;
    let mut found = Vec::new();
    let mut open = vec![(String::new(), root, 0)];
    let (mut seen, mut size) = (0, 0);
    while let Some((path, header, depth)) = open.pop() {
        seen += 1;
        if seen + open.len() > MOST_OBJECTS || depth > MOST_DEPTH {
            return Err("the groups are nested in a circle, or there are too many objects".into());
        }
        let messages = file.messages(header)?;
        if let Some(table) = messages.iter().find(|m| m.kind == 0x11) {
            for (name, child) in file.children(table.data)? {
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                open.push((path, child, depth + 1));
            }
        } else if messages.iter().any(|m| m.kind == 8) {
            let dataset = file.dataset(path, &messages)?;
            size += 4 * dataset.data.len();
            if size > bytes.len() {
                return Err("arrays overlap".into());
            }
            found.push(dataset);
        } else if messages.iter().any(|m| matches!(m.kind, 2 | 6)) {
            return Err(format!("group `{path}` is of the new style (HDF5 1.8 `libver`), which is not supported"));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The file and the address of its root group's header.
fn superblock(bytes: &[u8]) -> Result<(File<'_>, u64), Problem> {
    let file = File { bytes, base: 0 };
    if file.slice(0, 8)? != b"\x89HDF\r\n\x1a\n" {
        return Err("the HDF5 signature is missing".into());
    }
    let extra = match file.u8(8)? {
        0 => 0,
        1 => 4,
        other => return Err(format!("superblock version {other} is not supported (only 0 and 1)")),
    };
    if (file.u8(13)?, file.u8(14)?) != (8, 8) {
        return Err("offsets and lengths are not of 8 bytes".into());
    }
    let base = file.u64(24 + extra)?;
    let root = file.u64(24 + extra + 32 + 8)?;
    Ok((File { bytes, base }, root))
}

impl<'a> File<'a> {
    /// Bytes at an address of the file (relative to its base).
    fn slice(&self, at: u64, length: u64) -> Result<&'a [u8], Problem> {
        let start = self.base.checked_add(at);
        let end = start.and_then(|s| s.checked_add(length));
        let range = start.zip(end).and_then(|(s, e)| Some(usize::try_from(s).ok()?..usize::try_from(e).ok()?));
        range
            .and_then(|r| self.bytes.get(r))
            .ok_or_else(|| format!("{length} bytes at offset {at} lie outside the file: it is truncated or corrupt"))
    }

    fn u8(&self, at: u64) -> Result<u8, Problem> {
        Ok(self.slice(at, 1)?[0])
    }

    fn u16(&self, at: u64) -> Result<u16, Problem> {
        Ok(little(self.slice(at, 2)?) as u16)
    }

    fn u32(&self, at: u64) -> Result<u32, Problem> {
        Ok(little(self.slice(at, 4)?) as u32)
    }

    fn u64(&self, at: u64) -> Result<u64, Problem> {
        Ok(little(self.slice(at, 8)?))
    }

    /// The messages of an object header, continuation blocks included.
    fn messages(&self, header: u64) -> Result<Vec<Message<'a>>, Problem> {
        if self.u8(header)? != 1 {
            return Err(format!("the object header at offset {header} is not of version 1"));
        }
        let count = self.u16(header + 2)?;
        let mut blocks = vec![(header.saturating_add(16), u64::from(self.u32(header + 8)?))];
        let mut messages = Vec::new();
        let mut next = 0;
        while let Some(&(start, length)) = blocks.get(next) {
            next += 1;
            let block = self.slice(start, length)?;
            let mut at = 0;
            while at + 8 <= block.len() && messages.len() < usize::from(count) {
                let (kind, size) = (little(&block[at..at + 2]) as u16, little(&block[at + 2..at + 4]) as usize);
                let data = block.get(at + 8..at + 8 + size).ok_or("a message of an object header is longer than its block")?;
                if kind == 0x10 {
                    let continued = data.get(..16).ok_or("a continuation message is too short")?;
                    blocks.push((little(&continued[..8]), little(&continued[8..])));
                }
                messages.push(Message { kind, data });
                at += 8 + size;
            }
        }
        Ok(messages)
    }

    /// Names and header addresses of a group's members.
    fn children(&self, table: &[u8]) -> Result<Vec<(String, u64)>, Problem> {
        let table = table.get(..16).ok_or("a symbol table message is too short")?;
        let (tree, heap) = (little(&table[..8]), little(&table[8..]));
        if self.slice(heap, 4)? != b"HEAP" {
            return Err(format!("no local heap at offset {heap}"));
        }
        let names = self.slice(self.u64(heap + 24)?, self.u64(heap + 8)?)?;
        let mut children = Vec::new();
        let mut open = vec![tree];
        let mut seen = 0;
        while let Some(node) = open.pop() {
            seen += 1;
            if seen + open.len() + children.len() > MOST_OBJECTS {
                return Err("a group's B-tree has too many nodes, or runs in a circle".into());
            }
            match self.slice(node, 4)? {
                b"TREE" => {
                    let entries = u64::from(self.u16(node + 6)?).min(MOST_OBJECTS as u64);
                    (0..entries).rev().try_for_each(|i| self.u64(node + 32 + 16 * i).map(|child| open.push(child)))?;
                }
                b"SNOD" => {
                    for i in 0..u64::from(self.u16(node + 6)?).min(MOST_OBJECTS as u64) {
                        let entry = node + 8 + 40 * i;
                        children.push((name(names, self.u64(entry)?)?, self.u64(entry + 8)?));
                    }
                }
                _ => return Err(format!("neither B-tree node nor symbol table at offset {node}")),
            }
        }
        Ok(children)
    }

    fn dataset(&self, path: String, messages: &[Message<'a>]) -> Result<Dataset, Problem> {
        let find = |kind: u16, what: &str| {
            messages.iter().find(|m| m.kind == kind).map(|m| m.data).ok_or_else(|| format!("dataset `{path}` has no {what}"))
        };
        let shape = shape(find(1, "dataspace")?).ok_or_else(|| format!("dataset `{path}` has a dataspace that cannot be read"))?;
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(|| format!("dataset `{path}` is too large"))?;
        if !is_binary32(find(3, "datatype")?) {
            return Err(format!("dataset `{path}` does not hold 32-bit little-endian floats"));
        }
        let bytes = self.layout(&path, find(8, "layout")?)?;
        if Some(bytes.len()) != count.checked_mul(4) {
            return Err(format!("dataset `{path}` holds {} bytes where {count} numbers need 4 each", bytes.len()));
        }
        let data = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok(Dataset { path, shape, data })
    }

    fn layout(&self, path: &str, layout: &'a [u8]) -> Result<&'a [u8], Problem> {
        match layout {
            [3, 1, rest @ ..] if rest.len() >= 16 => self.slice(little(&rest[..8]), little(&rest[8..16])),
            [3, 0, low, high, rest @ ..] => {
                let size = usize::from(u16::from_le_bytes([*low, *high]));
                rest.get(..size).ok_or_else(|| format!("dataset `{path}`: compact data is cut off"))
            }
            [3, 2, ..] => Err(format!("dataset `{path}` is chunked, which is not supported: save it uncompressed")),
            _ => Err(format!("dataset `{path}` has an unknown layout")),
        }
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn name(names: &[u8], at: u64) -> Result<String, Problem> {
    let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).ok_or("a name lies outside its heap")?;
    let length = rest.iter().position(|b| *b == 0).ok_or("a name has no end")?;
    Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
}

fn shape(dataspace: &[u8]) -> Option<Vec<usize>> {
    let (rank, dimensions) = match dataspace {
        [1, rank, _, _, _, _, _, _, rest @ ..] | [2, rank, _, _, rest @ ..] => (usize::from(*rank), rest),
        _ => return None,
    };
    let sizes = dimensions.get(..8 * rank)?;
    sizes.as_chunks::<8>().0.iter().map(|b| usize::try_from(u64::from_le_bytes(*b)).ok()).collect()
}

/// Class 1 (floating point), little-endian, 32 bits: sign at 31, exponent of 8 bits at 23 with bias 127, mantissa of 23 bits at 0.
fn is_binary32(datatype: &[u8]) -> bool {
    let expected = [[0x20, 0x1f, 0, 4, 0, 0, 0].as_slice(), &[0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]].concat();
    datatype.first().is_some_and(|b| b & 0x0f == 1) && datatype.get(1..20) == Some(&expected[..])
}
