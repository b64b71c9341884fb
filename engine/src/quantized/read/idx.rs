//! MNIST's idx files, gzipped or not: a big-endian header and bytes.

use std::path::Path;

use crate::input::{InputError, read_bytes};

/// Images of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Pixels per image.
    pub pixels: usize,
    bytes: Vec<u8>,
}

impl Images {
    /// From bytes, `pixels` per image.
    pub fn new(pixels: usize, bytes: Vec<u8>) -> Images {
        Images { pixels, bytes }
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.pixels.max(1)
    }

    /// One image; none if there are not so many.
    pub fn get(&self, id: usize) -> Option<Vec<i64>> {
        let start = id.checked_mul(self.pixels)?;
        let bytes = self.bytes.get(start..start.checked_add(self.pixels)?)?;
        Some(bytes.iter().map(|&b| i64::from(b)).collect())
    }
}

/// Images of unsigned bytes (three dimensions: number, rows, columns).
pub fn read_images(path: &Path) -> Result<Images, InputError> {
    let (sizes, bytes) = parse(&read_bytes(path)?, 3, path)?;
    Ok(Images { pixels: sizes[1] * sizes[2], bytes })
}

/// Labels of unsigned bytes (one dimension).
pub fn read_labels(path: &Path) -> Result<Vec<u8>, InputError> {
    Ok(parse(&read_bytes(path)?, 1, path)?.1)
}

/// Sizes and data of an idx file with this many dimensions.
fn parse(bytes: &[u8], dimensions: usize, path: &Path) -> Result<(Vec<usize>, Vec<u8>), InputError> {
    let remedy = "give the idx file as published, gzipped or not";
    let fail = |problem: String| Err(InputError::content(path, problem, remedy));
    let header = 4 + 4 * dimensions;
    let Some(start) = bytes.get(..header).filter(|b| b[..4] == [0, 0, 8, dimensions as u8]) else {
        return fail(format!("not an idx file of unsigned bytes with {dimensions} dimension(s)"));
    };
    let sizes: Vec<usize> = start[4..].as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b) as usize).collect();
    let count = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    let found = bytes.len() - header;
    if count != Some(found) || found == 0 {
        let claimed = sizes.iter().map(|s| s.to_string()).collect::<Vec<_>>().join(" x ");
        return fail(format!("the header says {claimed} bytes, {found} follow: the file is truncated or corrupt"));
    }
    Ok((sizes, bytes[header..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_are_read() {
        let path = Path::new("file");
        let good = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[1, 2, 3, 4]].concat();
        let (sizes, bytes) = parse(&good, 3, path).expect("well-formed");
        let images = Images { pixels: sizes[1] * sizes[2], bytes };
        assert_eq!((images.count(), images.get(1), images.get(2)), (2, Some(vec![3, 4]), None));
        assert_eq!(images.get(usize::MAX), None);
        for length in 0..good.len() {
            assert!(parse(&good[..length], 3, path).is_err(), "{length}");
        }
        assert!(parse(&[&good[..], &[9]].concat(), 3, path).is_err(), "a byte too many");
        assert!(parse(&good, 1, path).is_err(), "images are no labels");
        let huge = [&[0, 0, 8, 3][..], &[255; 12]].concat();
        assert!(parse(&huge, 3, path).is_err_and(|e| e.to_string().contains("truncated")));
    }
}
