//! The certificate's header (docs/certificate.md).

use crate::Semantics;
pub use crate::cursor::{Cursor, Fault, Source, write_varint};

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
    /// The rest; it starts at byte [`HEADER`]. Empty if only the header was read.
    pub payload: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads a certificate; says what is wrong and at which byte.
    pub fn read(bytes: &'a [u8]) -> Result<Container<'a>, Fault> {
        let header = Container::header(bytes.into())?;
        Ok(Container { payload: &bytes[HEADER..], ..header })
    }

    /// Reads the header, and compares the payload's length with what is there.
    pub fn header(source: Source) -> Result<Container<'static>, Fault> {
        let mut cursor = Cursor::new(source, 0, source.len());
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
        if length != cursor.left() as u64 {
            return Err(Fault { at: HEADER - 8, reason: format!("the payload has {} bytes, not {length}", cursor.left()) });
        }
        Ok(Container {
            kind: [Kind::Proof, Kind::Witness, Kind::IntegerProof, Kind::IntegerWitness][kind as usize],
            semantics: [Semantics::Real, Semantics::Float32, Semantics::Both, Semantics::Integer][semantics as usize],
            partial,
            network,
            query,
            payload: &[],
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

#[cfg(test)]
mod tests {
    use super::*;

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
