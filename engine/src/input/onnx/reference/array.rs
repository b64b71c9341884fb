//! Arrays of the reference evaluator.

use std::rc::Rc;

use crate::input::onnx::tensor::Tensor;

/// A value: dimensions and elements in C order. Integers are kept as floats.
#[derive(Debug)]
pub(in crate::input::onnx) struct Array {
    pub shape: Vec<usize>,
    data: Storage,
    pub integer: bool,
}

#[derive(Debug)]
enum Storage {
    Own(Vec<f64>),
    /// Large weights stay as they are in the file.
    Stored(Rc<Tensor>),
}

impl Array {
    pub fn new(shape: Vec<usize>, data: Vec<f64>) -> Array {
        Array { shape, data: Storage::Own(data), integer: false }
    }

    pub fn integers(shape: Vec<usize>, data: Vec<f64>) -> Array {
        Array { shape, data: Storage::Own(data), integer: true }
    }

    pub fn stored(tensor: Rc<Tensor>) -> Array {
        Array { shape: tensor.shape.clone(), integer: tensor.is_integer(), data: Storage::Stored(tensor) }
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Element `i`, flat.
    pub fn at(&self, i: usize) -> f64 {
        match &self.data {
            Storage::Own(v) => v[i],
            Storage::Stored(t) => t.at(i),
        }
    }

    /// The element at a multi-index.
    pub fn get(&self, index: &[usize]) -> f64 {
        self.at(self.shape.iter().zip(index).fold(0, |flat, (&d, &i)| flat * d + i))
    }

    /// The element that is broadcast to a multi-index of at least as many axes.
    pub fn get_broadcast(&self, index: &[usize]) -> f64 {
        let own = &index[index.len() - self.shape.len()..];
        self.at(self.shape.iter().zip(own).fold(0, |flat, (&d, &i)| flat * d + if d == 1 { 0 } else { i }))
    }

    pub fn to_vec(&self) -> Vec<f64> {
        (0..self.len()).map(|i| self.at(i)).collect()
    }

    /// Elements as integers; floats beyond the range are cut, which slices do as well.
    pub fn to_ints(&self) -> Vec<i64> {
        match &self.data {
            Storage::Stored(t) if t.ints().is_ok() => t.ints().unwrap_or_default().to_vec(),
            _ => self.to_vec().into_iter().map(|x| x as i64).collect(),
        }
    }

    /// An array of this shape whose elements are given by multi-index.
    pub fn build(shape: Vec<usize>, integer: bool, mut element: impl FnMut(&[usize]) -> f64) -> Array {
        let mut data = Vec::with_capacity(shape.iter().product());
        for_each_index(&shape, |i| data.push(element(i)));
        Array { shape, data: Storage::Own(data), integer }
    }
}

/// Calls `visit` with all multi-indices of a shape in C order.
pub(super) fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        visit(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// The shape of two operands broadcast together.
pub(super) fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let (mut long, short) = if a.len() >= b.len() { (a.to_vec(), b) } else { (b.to_vec(), a) };
    let offset = long.len() - short.len();
    for (k, &d) in short.iter().enumerate() {
        let here = &mut long[offset + k];
        if *here == 1 {
            *here = d;
        } else if d != 1 && d != *here {
            return Err(format!("shapes {a:?} and {b:?}"));
        }
    }
    Ok(long)
}
