//! A certificate's bytes, wherever they are. Nothing is allocated before its length has been compared with the bytes that are there.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What is wrong with the bytes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte of the certificate.
    pub at: usize,
    /// Why it is refused.
    pub reason: String,
}

/// A file that is read piece by piece, by several threads.
#[derive(Debug)]
pub struct Stored {
    file: Mutex<File>,
    len: usize,
}

impl Stored {
    /// The file of this name.
    pub fn open(name: impl AsRef<Path>) -> io::Result<Stored> {
        let file = File::open(name)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Stored { file: Mutex::new(file), len })
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at as u64))?;
        file.read_exact(bytes)
    }
}

/// Where a certificate's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Here.
    Memory(&'a [u8]),
    /// In a file, of which each cursor holds a window.
    File(&'a Stored),
}

impl Source<'_> {
    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "no certificate is empty")]
    pub fn len(&self) -> usize {
        match self {
            Source::Memory(bytes) => bytes.len(),
            Source::File(stored) => stored.len,
        }
    }
}

impl<'a, B: AsRef<[u8]> + ?Sized> From<&'a B> for Source<'a> {
    fn from(bytes: &'a B) -> Source<'a> {
        Source::Memory(bytes.as_ref())
    }
}

/// Bytes of a file that are read at once.
const WINDOW: usize = 1 << 18;

/// Reads forwards through a range of bytes.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    source: Source<'a>,
    /// What is at hand: everything, or some bytes of a file.
    window: Cow<'a, [u8]>,
    /// Where the window starts.
    first: usize,
    /// The next byte.
    pub at: usize,
    /// The end of the range.
    pub end: usize,
}

impl<'a> Cursor<'a> {
    /// The range from `at` to `end`, which lies inside the source.
    pub fn new(source: impl Into<Source<'a>>, at: usize, end: usize) -> Cursor<'a> {
        let source = source.into();
        let window = if let Source::Memory(bytes) = source { bytes } else { &[] };
        Cursor { source, window: Cow::Borrowed(window), first: 0, at, end: end.min(source.len()) }
    }

    /// Goes to another range of the same source.
    pub fn go(&mut self, at: usize, end: usize) {
        (self.at, self.end) = (at, end.min(self.source.len()));
    }

    /// The next `count` bytes, read.
    pub fn bytes(&mut self, count: usize) -> Result<&[u8], Fault> {
        if self.left() < count {
            return Err(Fault { at: self.end, reason: format!("the bytes end where {count} more are needed") });
        }
        if self.at < self.first || self.at + count > self.first + self.window.len() {
            self.fetch(count)?;
        }
        self.at += count;
        Ok(&self.window[self.at - count - self.first..][..count])
    }

    /// Brings at least the next `count` bytes, which exist, into the window.
    fn fetch(&mut self, count: usize) -> Result<(), Fault> {
        if let Source::File(stored) = self.source {
            let window = self.window.to_mut();
            window.resize(WINDOW.max(count).min(stored.len - self.at), 0);
            let unread = |error: io::Error| Fault { at: self.at, reason: format!("the file cannot be read: {error}") };
            stored.read(self.at, window).map_err(unread)?;
            self.first = self.at;
        }
        Ok(())
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// A refusal at the byte read last.
    pub fn fault<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.at.saturating_sub(1), reason: reason.into() })
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take::<1>()?[0])
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.bytes(N)?);
        Ok(taken)
    }

    /// A number of at most 64 bits, seven at a time, lowest first, in as few bytes as possible.
    pub fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for place in 0..10 {
            let byte = self.byte()?;
            let bits = (byte & 0x7f) as u64;
            if place == 9 && bits > 1 {
                return self.fault("the number has more than 64 bits");
            }
            value |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return if bits == 0 && place > 0 { self.fault("the number has superfluous bytes") } else { Ok(value) };
            }
        }
        self.fault("the number has more than 64 bits")
    }

    /// A number below `limit`, named `what` in the refusal.
    pub fn index(&mut self, limit: usize, what: &str) -> Result<usize, Fault> {
        match self.varint()? {
            x if x < limit as u64 => Ok(x as usize),
            x => self.fault(format!("{what} {x} of {limit} does not exist")),
        }
    }

    /// Bits in whole bytes, lowest first: the numbers below `len` whose bit is set.
    pub fn mask(&mut self, len: usize) -> Result<Vec<u32>, Fault> {
        let mut set = Vec::new();
        for first in (0..len).step_by(8) {
            let byte = self.byte()?;
            if len - first < 8 && byte >> (len - first) != 0 {
                return self.fault("the mask names elements that do not exist");
            }
            set.extend((0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| (first + bit) as u32));
        }
        Ok(set)
    }

    /// A length of at most what is left.
    pub fn length(&mut self) -> Result<usize, Fault> {
        match self.varint()? {
            x if x <= self.left() as u64 => Ok(x as usize),
            x => self.fault(format!("{x} bytes are announced, {} are left", self.left())),
        }
    }

    /// A finite number.
    pub fn number(&mut self) -> Result<f64, Fault> {
        let x = f64::from_le_bytes(self.take()?);
        if x.is_finite() { Ok(x) } else { self.fault("the number is not finite") }
    }

    /// A finite number in four bytes.
    pub fn short(&mut self) -> Result<f64, Fault> {
        let x = f32::from_le_bytes(self.take()?);
        if x.is_finite() { Ok(x as f64) } else { self.fault("the number is not finite") }
    }

    /// A finite nonnegative number.
    pub fn weight(&mut self) -> Result<f64, Fault> {
        let x = self.short()?;
        if x >= 0.0 { Ok(x) } else { self.fault("the weight is not a finite number >= 0") }
    }
}

/// Appends a number as [`Cursor::varint`] reads it.
pub fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_superfluous_bytes_are_refused() {
        for value in [0, 1, 127, 128, 300, u32::MAX as u64, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes, 0, bytes.len());
            assert_eq!((cursor.varint(), cursor.left()), (Ok(value), 0));
        }
        for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]] {
            assert!(Cursor::new(bytes, 0, bytes.len()).varint().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_file_reads_as_its_bytes_do() {
        let bytes: Vec<u8> = (0..3 * WINDOW + 7).map(|i| (i * 31 % 251) as u8).collect();
        let name = std::env::temp_dir().join(format!("ironbound-cursor-{}", std::process::id()));
        std::fs::write(&name, &bytes).unwrap();
        let stored = Stored::open(&name).unwrap();
        std::fs::remove_file(&name).unwrap();
        let mut cursor = Cursor::new(Source::File(&stored), 0, bytes.len());
        for (at, count) in [(0, 5), (WINDOW - 3, 7), (2 * WINDOW, WINDOW + 7), (1, 1), (17, 2 * WINDOW), (bytes.len(), 0)] {
            cursor.go(at, usize::MAX);
            assert_eq!(cursor.bytes(count).unwrap(), &bytes[at..at + count]);
            assert_eq!((cursor.at, cursor.end), (at + count, bytes.len()));
        }
        cursor.go(bytes.len() - 1, bytes.len());
        assert!(cursor.take::<2>().is_err() && cursor.take::<1>().is_ok() && cursor.byte().is_err());
    }
}
