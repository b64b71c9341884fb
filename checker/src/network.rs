//! The network as the checker reads it from the file: nodes in topological order, exact numbers.

use crate::function::Function;

/// A network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Nodes; each reads only earlier ones.
    pub nodes: Vec<Node>,
    /// The input nodes, in the order in which the query numbers their elements.
    pub inputs: Vec<usize>,
    /// The output nodes, likewise.
    pub outputs: Vec<usize>,
    /// True if the file computes in binary64, false for binary32.
    pub double: bool,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name in the file, for messages.
    pub name: String,
    /// Number of elements.
    pub len: usize,
    /// The nodes that it reads.
    pub inputs: Vec<usize>,
    /// What it computes.
    pub operation: Operation,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// An input of the network.
    Input,
    /// Numbers from the file.
    Constant(Vec<f64>),
    /// `bias + sum over inputs of linear(input)`: one [`Linear`] per input.
    Affine(Affine),
    /// `max(a, s a)` element by element, `-1 <= s <= 1`: Relu 0, LeakyRelu `s`, Abs -1.
    Hinge(f64),
    /// The greatest element of each group of elements of the only input (max-pooling).
    Maximum(Vec<Vec<u32>>),
    /// A function of the only input, element by element.
    Curve(Function),
    /// Element `j` is the product of elements `j` and `len + j` of the only input, which has `2 len` elements.
    Product,
}

/// An affine map of one or more nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// One per input of the node.
    pub parts: Vec<Linear>,
    /// One number per element; empty for none.
    pub bias: Vec<f64>,
    /// The true weights and biases may differ from the numbers here by this relative amount (folded constants that are
    /// not numbers, such as the scale of a BatchNormalization); 0 where they are exact.
    pub relative_error: f64,
}

/// A linear map from the elements of one node to those of another.
#[derive(Clone, Debug, PartialEq)]
pub enum Linear {
    /// Row-major, one row per output element.
    Dense(Vec<f64>),
    /// Row `o` holds `columns[starts[o]..starts[o + 1]]` with `weights` at the same places.
    Sparse {
        /// Where rows start; one more than rows.
        starts: Vec<usize>,
        /// Input elements, ascending in each row.
        columns: Vec<u32>,
        /// Their weights.
        weights: Vec<f64>,
    },
    /// One weight per element.
    Scale(Vec<f64>),
    /// Output element `o` is input element `source[o]`, or 0 where that is `u32::MAX`.
    Select(Vec<u32>),
    /// A two-dimensional convolution of one image.
    Convolution(Convolution),
}

/// A two-dimensional convolution; a one-dimensional one has height 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// `[groups * filters per group, channels per group, kernel height, kernel width]`, row-major.
    pub weights: Vec<f64>,
    /// Input channels, height, width.
    pub input: [usize; 3],
    /// Output channels, height, width.
    pub output: [usize; 3],
    /// Kernel height, width.
    pub kernel: [usize; 2],
    /// Strides.
    pub strides: [usize; 2],
    /// Rows and columns of zeros before the first.
    pub pads: [usize; 2],
    /// Dilations.
    pub dilations: [usize; 2],
    /// Groups.
    pub groups: usize,
}

impl Linear {
    /// Calls `visit` with the input element and the weight of every term of output element `o`, in ascending order of input
    /// elements: the order in which binary32 replays sum.
    pub fn each_term(&self, o: usize, outputs: usize, mut visit: impl FnMut(usize, f64)) {
        match self {
            Linear::Dense(weights) => {
                let inputs = weights.len() / outputs.max(1);
                weights[o * inputs..][..inputs].iter().enumerate().for_each(|(i, &w)| visit(i, w));
            }
            Linear::Sparse { starts, columns, weights } => {
                let row = starts[o]..starts[o + 1];
                columns[row.clone()].iter().zip(&weights[row]).for_each(|(&i, &w)| visit(i as usize, w));
            }
            Linear::Scale(weights) => visit(o, weights[o]),
            Linear::Select(source) if source[o] == u32::MAX => {}
            Linear::Select(source) => visit(source[o] as usize, 1.0),
            Linear::Convolution(convolution) => convolution.each_term(o, visit),
        }
    }
}

impl Convolution {
    fn each_term(&self, o: usize, mut visit: impl FnMut(usize, f64)) {
        let ([_, rows, columns], [filters, down, right]) = (self.input, self.output);
        let (filter, y, x) = (o / right / down, o / right % down, o % right);
        let depth = self.input[0] / self.groups;
        let first = filter / (filters / self.groups) * depth;
        for channel in 0..depth {
            for ky in 0..self.kernel[0] {
                let iy = (y * self.strides[0] + ky * self.dilations[0]).wrapping_sub(self.pads[0]);
                for kx in 0..self.kernel[1] {
                    let ix = (x * self.strides[1] + kx * self.dilations[1]).wrapping_sub(self.pads[1]);
                    if iy < rows && ix < columns {
                        let weight = ((filter * depth + channel) * self.kernel[0] + ky) * self.kernel[1] + kx;
                        visit(((first + channel) * rows + iy) * columns + ix, self.weights[weight]);
                    }
                }
            }
        }
    }
}
