//! Bytes of a file, inflated where they are gzipped.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::InputError;

/// Most bytes that a file may hold, inflated: a small file that inflates to more is a mistake or an attack.
const LIMIT: u64 = 4 << 30;

/// The bytes of a file; a gzipped file (told by its first bytes, not its name) is inflated.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, InputError> {
    let fail = |e: io::Error| InputError::read(path, e);
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(InputError::content(path, "this is a folder", "give a file"));
    }
    let raw = limited(file, path, 0)?;
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return Ok(raw);
    }
    limited(MultiGzDecoder::new(raw.as_slice()), path, announced(&raw)).map_err(|e| match e {
        InputError::Read { source, .. } => {
            InputError::content(path, format!("gzip data cannot be inflated: {source}"), "the file is truncated or corrupt; fetch it again")
        }
        other => other,
    })
}

/// The inflated size that the last bytes of gzip data announce, as far as deflate could reach it.
fn announced(raw: &[u8]) -> usize {
    const MOST_PER_BYTE: usize = 1032;
    let size = raw.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    (size as usize).min(raw.len().saturating_mul(MOST_PER_BYTE))
}

/// All bytes up to the limit; `expected` only saves moving them.
fn limited(reader: impl Read, path: &Path, expected: usize) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::with_capacity(expected);
    let read = reader.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| InputError::read(path, e))?;
    if read as u64 > LIMIT {
        return Err(InputError::content(path, format!("holds more than {LIMIT} bytes"), "files above 4 GiB are not supported"));
    }
    Ok(bytes)
}
