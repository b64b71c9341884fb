//! The certificate's bytes (docs/certificate.md). Nothing is allocated before its length has been compared with the bytes
//! that are there.

use crate::Semantics;

/// The first bytes of every certificate.
pub const MAGIC: &[u8; 8] = b"IRONCERT";
/// The version that is read.
pub const VERSION: u32 = 1;
/// Bytes before the payload.
pub const HEADER: usize = 8 + 4 + 3 + 64 + 8;

/// What a certificate shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No counterexample exists.
    Proof,
    /// A counterexample.
    Witness,
    /// As [`Kind::Proof`], for an integer network.
    IntegerProof,
    /// As [`Kind::Witness`], for an integer network.
    IntegerWitness,
}

/// A certificate's header and payload.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// What it shows.
    pub kind: Kind,
    /// Under which meaning of the network.
    pub semantics: Semantics,
    /// Open leaves are allowed.
    pub partial: bool,
    /// SHA-256 of the uncompressed network file.
    pub network: [u8; 32],
    /// SHA-256 of the uncompressed query file.
    pub query: [u8; 32],
    /// The rest; it starts at byte [`HEADER`].
    pub payload: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads a certificate; says what is wrong and at which byte.
    pub fn read(bytes: &'a [u8]) -> Result<Container<'a>, Fault> {
        let mut cursor = Cursor::new(bytes, 0, bytes.len());
        if cursor.take::<8>()? != *MAGIC {
            return Err(Fault { at: 0, reason: "this is no certificate: it does not start with IRONCERT".into() });
        }
        let version = u32::from_le_bytes(cursor.take()?);
        if version != VERSION {
            return Err(Fault { at: 8, reason: format!("version {version} is not known, only {VERSION}") });
        }
        let pick = |cursor: &mut Cursor, what: &str, most: u8| match cursor.byte()? {
            x if x <= most => Ok(x),
            x => Err(Fault { at: cursor.at - 1, reason: format!("{what} {x} is not known") }),
        };
        let kind = pick(&mut cursor, "kind", 3)?;
        let semantics = pick(&mut cursor, "semantics", 3)?;
        let partial = pick(&mut cursor, "partial flag", 1)? == 1;
        let (network, query) = (cursor.take()?, cursor.take()?);
        let length = u64::from_le_bytes(cursor.take()?);
        if length != (bytes.len() - HEADER) as u64 {
            return Err(Fault { at: HEADER - 8, reason: format!("the payload has {} bytes, not {length}", bytes.len() - HEADER) });
        }
        Ok(Container {
            kind: [Kind::Proof, Kind::Witness, Kind::IntegerProof, Kind::IntegerWitness][kind as usize],
            semantics: [Semantics::Real, Semantics::Float32, Semantics::Both, Semantics::Integer][semantics as usize],
            partial,
            network,
            query,
            payload: &bytes[HEADER..],
        })
    }

    /// The bytes of a certificate.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        let semantics = match self.semantics {
            Semantics::Real => 0,
            Semantics::Float32 => 1,
            Semantics::Both => 2,
            Semantics::Integer => 3,
        };
        bytes.extend([self.kind as u8, semantics, self.partial as u8]);
        bytes.extend(self.network);
        bytes.extend(self.query);
        bytes.extend((self.payload.len() as u64).to_le_bytes());
        bytes.extend(self.payload);
        bytes
    }
}

/// What is wrong with the bytes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte of the certificate.
    pub at: usize,
    /// Why it is refused.
    pub reason: String,
}

/// Reads forwards through a range of bytes.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// The next byte.
    pub at: usize,
    /// The end of the range.
    pub end: usize,
}

impl<'a> Cursor<'a> {
    /// The range from `at` to `end`, which lies inside `bytes`.
    pub fn new(bytes: &'a [u8], at: usize, end: usize) -> Cursor<'a> {
        Cursor { bytes, at, end: end.min(bytes.len()) }
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// A refusal at the byte read last.
    pub fn fault<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.at.saturating_sub(1), reason: reason.into() })
    }

    /// The next byte without reading it.
    pub fn peek(&self) -> Option<u8> {
        if self.left() > 0 { self.bytes.get(self.at).copied() } else { None }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take::<1>()?[0])
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        if self.left() < N {
            return Err(Fault { at: self.end, reason: format!("the bytes end where {N} more are needed") });
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
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

    /// Leaves out the next bytes.
    pub fn skip(&mut self, count: usize) -> Result<(), Fault> {
        if self.left() < count {
            return Err(Fault { at: self.end, reason: format!("the bytes end where {count} more are needed") });
        }
        self.at += count;
        Ok(())
    }

    /// Bytes that have been read or left out before.
    pub fn bytes_at(&self, at: usize, count: usize) -> &'a [u8] {
        &self.bytes[at..at + count]
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
    fn headers_come_back_and_each_changed_byte_shows() {
        let container = Container {
            kind: Kind::Proof,
            semantics: Semantics::Both,
            partial: true,
            network: [1; 32],
            query: [2; 32],
            payload: &[7, 8, 9],
        };
        let bytes = container.write();
        let same = Container::read(&bytes).unwrap();
        assert_eq!(format!("{same:?}"), format!("{container:?}"));
        for end in 0..bytes.len() {
            assert!(Container::read(&bytes[..end]).is_err());
        }
        for at in 0..HEADER {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let differs = Container::read(&other).map_or(true, |c| format!("{c:?}") != format!("{container:?}"));
                assert!(differs, "byte {at}");
            }
        }
    }
}
