//! What workers record, in any order, while they search.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a node of the tree that is being built; children have greater numbers than their parent.
pub type NodeId = u64;

/// Records kept in memory before they go to a temporary file.
const MOST_MEMORY: usize = 64 << 20;

/// The records of one tree. Node 0 is the root.
#[derive(Debug)]
pub struct Log {
    /// Elements of each activation, for steps that name some of them.
    pub(super) lens: Vec<usize>,
    next: AtomicU64,
    records: Mutex<Records>,
}

/// A record's place and its first child.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub start: u64,
    /// 0 for a node without a record: it is open.
    pub length: u32,
    /// 0 for a node without children; the second child is the next number.
    pub first_child: NodeId,
    /// The steps end with an open leaf.
    pub paused: bool,
}

impl Entry {
    /// True if nothing is claimed of the node, whether it has steps or not.
    pub fn is_open(&self) -> bool {
        self.length == 0 || self.paused
    }
}

/// All records: the older ones in a file, the newer ones in memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub entries: Vec<Entry>,
    bytes: Vec<u8>,
    file: Option<File>,
    in_file: u64,
    /// Why recording ended early: the proof is then incomplete, never wrong.
    failed: Option<io::Error>,
}

impl Default for Log {
    fn default() -> Log {
        Log { lens: Vec::new(), next: AtomicU64::new(1), records: Mutex::default() }
    }
}

impl Log {
    /// An empty tree about a network whose activations have `lens` elements.
    pub fn about(lens: &[usize]) -> Log {
        Log { lens: lens.to_vec(), ..Log::default() }
    }

    /// Numbers for two children; the second is one more.
    pub fn children(&self) -> NodeId {
        self.next.fetch_add(2, Ordering::Relaxed)
    }

    /// Records the steps of a node without children.
    pub fn end(&self, node: NodeId, steps: &[u8]) {
        self.add(node, steps, 0, false);
    }

    /// Records steps of a node that is open all the same; the last of them says so.
    pub fn pause(&self, node: NodeId, steps: &[u8]) {
        self.add(node, steps, 0, true);
    }

    /// The steps of a node without children, but for the one that ends it, which takes one byte.
    pub fn unfinished(&self, node: NodeId) -> io::Result<Vec<u8>> {
        let records = self.records();
        let mut steps = Vec::new();
        let entry = records.entry(node);
        if entry.first_child == 0 {
            records.read(entry, &mut steps)?;
            steps.pop();
        }
        Ok(steps)
    }

    /// The steps of a node with children, and the first of these; none of other nodes.
    pub fn inner(&self, node: NodeId) -> io::Result<Option<(Vec<u8>, NodeId)>> {
        let records = self.records();
        let mut steps = Vec::new();
        let entry = records.entry(node);
        records.read(entry, &mut steps)?;
        Ok((entry.first_child != 0).then_some((steps, entry.first_child)))
    }

    /// True if nothing is claimed of a node.
    pub fn is_open(&self, node: NodeId) -> bool {
        self.records().entry(node).is_open()
    }

    /// Records the steps of a node with the children `first` and `first + 1`.
    pub fn split(&self, node: NodeId, steps: &[u8], first: NodeId) {
        self.add(node, steps, first, false);
    }

    fn add(&self, node: NodeId, steps: &[u8], first_child: NodeId, paused: bool) {
        let Ok(length) = u32::try_from(steps.len()) else { return self.fail("the proof of one node takes more than 4 GB") };
        let mut records = self.records.lock().expect("no worker panics while it records");
        let entry = Entry { start: records.in_file + records.bytes.len() as u64, length, first_child, paused };
        let at = node as usize;
        if records.entries.len() <= at {
            records.entries.resize(at + 1, Entry::default());
        }
        records.entries[at] = entry;
        records.bytes.extend_from_slice(steps);
        if records.bytes.len() > MOST_MEMORY {
            records.spill();
        }
    }

    /// Nothing can be recorded: why.
    pub fn fail(&self, why: impl Into<String>) {
        self.records().failed.get_or_insert(io::Error::other(why.into()));
    }

    /// Why the records are not complete: [`Log::fail`], or that they could not be kept.
    pub fn failure(&self) -> Option<String> {
        self.records().failed.as_ref().map(|error| error.to_string())
    }

    /// True if nodes are open.
    pub fn has_gaps(&self) -> bool {
        let records = self.records();
        let mut stack = vec![0];
        while let Some(node) = stack.pop() {
            match records.entry(node) {
                entry if entry.is_open() => return true,
                Entry { first_child: 0, .. } => {}
                Entry { first_child, .. } => stack.extend([first_child + 1, first_child]),
            }
        }
        false
    }

    /// The records, while no worker is at work.
    pub(super) fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().expect("no worker panics while it records")
    }
}

impl Records {
    /// The entry of a node; an empty one if there is none.
    pub fn entry(&self, node: NodeId) -> Entry {
        self.entries.get(node as usize).copied().unwrap_or_default()
    }

    fn spill(&mut self) {
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.bytes),
            None => tempfile::tempfile().and_then(|mut file| {
                file.write_all(&self.bytes)?;
                self.file = Some(file);
                Ok(())
            }),
        };
        match written {
            Ok(()) => {
                self.in_file += self.bytes.len() as u64;
                self.bytes.clear();
            }
            Err(error) => {
                // Without a place for them nothing more is kept: all nodes count as open.
                (self.entries, self.bytes, self.in_file) = (Vec::new(), Vec::new(), 0);
                self.failed.get_or_insert(error);
            }
        }
    }

    /// The bytes of an entry.
    pub fn read(&self, entry: Entry, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        match entry.start.checked_sub(self.in_file) {
            Some(start) => into.extend_from_slice(&self.bytes[start as usize..start as usize + entry.length as usize]),
            None => {
                into.resize(entry.length as usize, 0);
                read_at(self.file.as_ref().expect("what is not in memory is in the file"), into, entry.start)?;
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)?;
    file.seek(SeekFrom::End(0)).map(|_| ())
}
