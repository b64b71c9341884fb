//! Stored constants in the type they have in the file.

/// An array of constants, kept in the file's precision.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// binary32 constants.
    F32(Vec<f32>),
    /// binary64 constants.
    F64(Vec<f64>),
}

impl Numbers {
    /// Number of constants.
    pub fn len(&self) -> usize {
        match self {
            Numbers::F32(v) => v.len(),
            Numbers::F64(v) => v.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `i`-th constant, exactly.
    #[inline]
    pub fn at(&self, i: usize) -> f64 {
        match self {
            Numbers::F32(v) => v[i] as f64,
            Numbers::F64(v) => v[i],
        }
    }

    /// All constants, exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        (0..self.len()).map(|i| self.at(i)).collect()
    }

    /// The elements picked by `indices`.
    pub fn pick(&self, indices: &[usize]) -> Numbers {
        match self {
            Numbers::F32(v) => Numbers::F32(indices.iter().map(|&i| v[i]).collect()),
            Numbers::F64(v) => Numbers::F64(indices.iter().map(|&i| v[i]).collect()),
        }
    }

    /// True if every constant is a binary32 number.
    pub fn all_binary32(&self) -> bool {
        match self {
            Numbers::F32(_) => true,
            Numbers::F64(v) => v.iter().all(|&x| x as f32 as f64 == x),
        }
    }

    /// True if there is neither NaN nor infinity.
    pub fn all_finite(&self) -> bool {
        match self {
            Numbers::F32(v) => v.iter().all(|x| x.is_finite()),
            Numbers::F64(v) => v.iter().all(|x| x.is_finite()),
        }
    }
}
