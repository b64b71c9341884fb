//! Multidirectional broadcasting of shapes, as ONNX and NumPy define it.

/// The common shape, or what does not fit.
pub fn broadcast_shape(shapes: &[&[usize]]) -> Result<Vec<usize>, String> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for shape in shapes {
        for (out, &d) in common[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*out, d) {
                (1, _) => *out = d,
                (_, 1) => {}
                (a, b) if a == b => {}
                _ => return Err(format!("shapes {shapes:?} do not broadcast")),
            }
        }
    }
    Ok(common)
}

/// For every element of `to` in C order, the index of the element of `from` that it reads.
pub fn broadcast_indices(from: &[usize], to: &[usize]) -> Vec<usize> {
    let count: usize = to.iter().product();
    let mut indices = vec![0; count];
    let (mut stride_from, mut stride_to) = (1, 1);
    for (axis, &d) in to.iter().enumerate().rev() {
        let own = (axis + from.len()).checked_sub(to.len()).map_or(1, |a| from[a]);
        if own > 1 {
            for (o, index) in indices.iter_mut().enumerate() {
                *index += (o / stride_to) % d * stride_from;
            }
        }
        stride_from *= own;
        stride_to *= d;
    }
    indices
}

/// The product of dimensions, or a refusal where it does not fit.
pub fn element_count(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    count.filter(|&n| n <= isize::MAX as usize / 16).ok_or_else(|| format!("shape {shape:?} has too many elements"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_numpy_does() {
        assert_eq!(broadcast_shape(&[&[2, 1, 3], &[4, 1]]).unwrap(), [2, 4, 3]);
        assert_eq!(broadcast_shape(&[&[], &[2]]).unwrap(), [2]);
        assert!(broadcast_shape(&[&[2], &[3]]).is_err());
        assert_eq!(broadcast_indices(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(broadcast_indices(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_indices(&[], &[2]), [0, 0]);
    }
}
