//! Dense Keras weights from HDF5 (File Format Specification 3.0: superblock 0, symbol tables, object headers of version 1,
//! contiguous little-endian binary32). Anything else is refused.

use super::network::{Network, quantized};

/// An array: name path, sizes, place of its numbers.
struct Array {
    path: Vec<String>,
    sizes: Vec<u64>,
    numbers: Vec<f32>,
}

struct File<'a>(&'a [u8]);

/// Most objects of a file, and deepest group.
const MOST: usize = 1000;
const DEEPEST: usize = 12;

/// The network whose layers are the groups holding `kernel:0` (inputs x outputs) and `bias:0`, ordered by the number after the
/// last underscore of the group's name (none: 0).
pub fn network(bytes: &[u8]) -> Result<Network, String> {
    let arrays = File(bytes).arrays().ok_or("the HDF5 file is not of the form that is read here, or cut off")?;
    let mut kernels: Vec<&Array> = arrays.iter().filter(|a| a.path.last().is_some_and(|n| n == "kernel:0")).collect();
    kernels.sort_by_key(|a| order(a));
    if kernels.windows(2).any(|w| order(w[0]) == order(w[1])) {
        return Err("two layers of the HDF5 file have the same number".into());
    }
    let mut layers = Vec::new();
    for kernel in kernels {
        let group = &kernel.path[..kernel.path.len() - 1];
        let bias =
            arrays.iter().find(|a| a.path.len() == group.len() + 1 && a.path.starts_with(group) && a.path.ends_with(&["bias:0".into()]));
        let bias = bias.ok_or("a layer of the HDF5 file has no bias")?;
        let &[inputs, outputs] = &kernel.sizes[..] else { return Err("a kernel of the HDF5 file is no matrix".into()) };
        if bias.sizes != [outputs] || inputs == 0 || outputs == 0 {
            return Err("kernel and bias of the HDF5 file do not fit".into());
        }
        let row = |o: usize| kernel.numbers.iter().skip(o).step_by(outputs as usize).copied().collect::<Vec<f32>>();
        layers.push(((0..outputs as usize).map(row).collect(), bias.numbers.clone()));
    }
    quantized(layers)
}

fn order(array: &Array) -> u64 {
    let group = array.path.iter().rev().nth(1);
    group.and_then(|g| g.rsplit_once('_')).and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}

impl<'a> File<'a> {
    fn at(&self, start: u64, length: u64) -> Option<&'a [u8]> {
        self.0.get(usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?)
    }

    fn number(&self, start: u64, width: u64) -> Option<u64> {
        Some(self.at(start, width)?.iter().rfold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// All float arrays, or nothing if a byte is not as expected.
    fn arrays(&self) -> Option<Vec<Array>> {
        // Superblock 0, offsets and lengths of 8 bytes, base address 0.
        if self.at(0, 9)? != b"\x89HDF\r\n\x1a\n\0" || self.number(13, 2)? != 0x0808 || self.number(24, 8)? != 0 {
            return None;
        }
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), self.number(64, 8)?)];
        let (mut objects, mut size) = (0, 0);
        while let Some((path, header)) = open.pop() {
            objects += 1;
            let messages = self.messages(header)?;
            let find = |kind: u64| messages.iter().find(|m| m.0 == kind).map(|m| m.1);
            if objects + open.len() > MOST || path.len() > DEEPEST {
                return None;
            }
            if let Some(table) = find(0x11) {
                for (name, child) in self.members(table)? {
                    open.push(([path.clone(), vec![name]].concat(), child));
                }
            } else if let Some(layout) = find(8) {
                let array = self.array(path, (find(1)?, find(3)?, layout))?;
                size += 4 * array.numbers.len();
                if size > self.0.len() {
                    return None;
                }
                found.push(array);
            }
        }
        Some(found)
    }

    /// Kind and place of the messages of an object header.
    fn messages(&self, header: u64) -> Option<Vec<(u64, u64)>> {
        if self.number(header, 1)? != 1 {
            return None;
        }
        let count = self.number(header + 2, 2)?;
        let mut blocks = vec![(header + 16, self.number(header + 8, 4)?)];
        let (mut messages, mut next) = (Vec::new(), 0);
        while let Some(&(start, length)) = blocks.get(next) {
            next += 1;
            self.at(start, length)?;
            let mut at = start;
            while at + 8 <= start + length && (messages.len() as u64) < count {
                let (kind, data) = (self.number(at, 2)?, at + 8);
                if kind == 0x10 {
                    blocks.push((self.number(data, 8)?, self.number(data + 8, 8)?));
                }
                messages.push((kind, data));
                at = data + self.number(at + 2, 2)?;
            }
        }
        Some(messages)
    }

    /// Names and headers of a group's members.
    fn members(&self, table: u64) -> Option<Vec<(String, u64)>> {
        let heap = self.number(table + 8, 8)?;
        if self.at(heap, 4)? != b"HEAP" {
            return None;
        }
        let names = self.at(self.number(heap + 24, 8)?, self.number(heap + 8, 8)?)?;
        let (mut members, mut open, mut seen) = (Vec::new(), vec![self.number(table, 8)?], 0);
        while let Some(node) = open.pop() {
            seen += 1;
            let kind = self.at(node, 4)?;
            let count = self.number(node + 6, 2)?;
            if seen + open.len() + members.len() > MOST || count as usize > MOST {
                return None;
            }
            for i in 0..count {
                match kind {
                    b"TREE" => open.push(self.number(node + 32 + 16 * i, 8)?),
                    b"SNOD" => {
                        let entry = node + 8 + 40 * i;
                        let name = names.get(usize::try_from(self.number(entry, 8)?).ok()?..)?;
                        let name = &name[..name.iter().position(|b| *b == 0)?];
                        members.push((String::from_utf8(name.to_vec()).ok()?, self.number(entry + 8, 8)?));
                    }
                    _ => return None,
                }
            }
        }
        Some(members)
    }

    /// An array from its dataspace (version 1), datatype (binary32, little-endian) and layout (version 3, contiguous).
    fn array(&self, path: Vec<String>, (space, kind, layout): (u64, u64, u64)) -> Option<Array> {
        let rank = self.number(space + 1, 1)?;
        let binary32 = [0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
        if self.number(space, 1)? != 1 || self.at(kind, 20)? != binary32 || self.at(layout, 2)? != [3, 1] {
            return None;
        }
        let sizes = (0..rank).map(|i| self.number(space + 8 + 8 * i, 8)).collect::<Option<Vec<u64>>>()?;
        let length = sizes.iter().try_fold(4u64, |n, &s| n.checked_mul(s))?;
        if self.number(layout + 10, 8)? != length {
            return None;
        }
        let bytes = self.at(self.number(layout + 2, 8)?, length)?;
        let numbers = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Some(Array { path, sizes, numbers })
    }
}
