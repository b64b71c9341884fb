//! The benchmark and its published results: Henzinger, Lechner and Zikelic, "Scalable Verification of Quantized Neural Networks"
//! (AAAI 2021), as listed with its networks (github.com/mlech26l/qnn_robustness_benchmarks).

use std::ops::Range;

use super::options::Dataset;

/// A block of samples with one radius.
pub struct Block {
    /// Data set.
    pub dataset: Dataset,
    /// Sample ids.
    pub ids: Range<usize>,
    /// Radius.
    pub eps: i64,
    /// Samples that the network gets wrong.
    pub misclassified: &'static [usize],
    /// Queries that the paper's tool left open after its time limit.
    pub timeout: &'static [usize],
    /// Queries with a counterexample; all others are robust.
    pub vulnerable: &'static [usize],
}

impl Block {
    /// The published verdict of a sample.
    pub fn verdict(&self, id: usize) -> &'static str {
        match id {
            _ if self.misclassified.contains(&id) => "misclassified",
            _ if self.timeout.contains(&id) => "timeout",
            _ if self.vulnerable.contains(&id) => "vulnerable",
            _ => "robust",
        }
    }
}

/// The whole benchmark.
pub const BLOCKS: [Block; 8] = [
    Block { dataset: Dataset::Mnist, ids: 0..100, eps: 1, misclassified: &[18], timeout: &[], vulnerable: &[] },
    Block {
        dataset: Dataset::Mnist,
        ids: 100..200,
        eps: 2,
        misclassified: &[149],
        timeout: &[104, 119, 175, 193, 195],
        vulnerable: &[115, 151, 158],
    },
    Block {
        dataset: Dataset::Mnist,
        ids: 200..300,
        eps: 3,
        misclassified: &[217, 241, 247, 259],
        timeout: &[
            204, 210, 211, 218, 221, 224, 227, 232, 233, 234, 235, 243, 244, 250, 251, 255, 257, 264, 266, 273, 274, 275, 289, 290, 299,
        ],
        vulnerable: &[282],
    },
    Block {
        dataset: Dataset::Mnist,
        ids: 300..400,
        eps: 4,
        misclassified: &[321, 340, 381],
        timeout: &[
            300, 301, 303, 307, 308, 322, 324, 325, 326, 328, 329, 335, 336, 337, 339, 341, 344, 345, 349, 350, 352, 354, 357, 358, 359,
            362, 366, 368, 370, 372, 373, 376, 377, 379, 383, 385, 386, 388, 389, 391, 393, 394, 397,
        ],
        vulnerable: &[320],
    },
    Block {
        dataset: Dataset::FashionMnist,
        ids: 0..100,
        eps: 1,
        misclassified: &[12, 17, 23, 25, 26, 29, 40, 48, 51, 66, 68, 89, 98],
        timeout: &[4, 21, 28, 42, 43, 44, 49, 57, 67, 73, 91],
        vulnerable: &[],
    },
    Block {
        dataset: Dataset::FashionMnist,
        ids: 100..200,
        eps: 2,
        misclassified: &[107, 127, 145, 147, 150, 153, 163, 183, 192, 193],
        timeout: &[101, 117, 122, 129, 136, 149, 151, 157, 166, 170, 172, 181, 188, 191, 195, 197, 198],
        vulnerable: &[135],
    },
    Block {
        dataset: Dataset::FashionMnist,
        ids: 200..250,
        eps: 3,
        misclassified: &[222, 226, 239, 241, 244, 247, 249],
        timeout: &[202, 203, 205, 213, 217, 219, 221, 224, 228, 230, 235, 238, 243, 245, 246, 248],
        vulnerable: &[227],
    },
    Block {
        dataset: Dataset::FashionMnist,
        ids: 300..350,
        eps: 4,
        misclassified: &[316, 322, 324, 325, 332, 344],
        timeout: &[
            300, 301, 302, 304, 308, 309, 311, 312, 313, 315, 318, 319, 320, 321, 323, 326, 329, 331, 333, 334, 336, 337, 338, 341, 342,
            348,
        ],
        vulnerable: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_add_up_to_the_published_totals() {
        let sum = |pick: fn(&Block) -> usize| BLOCKS.iter().map(pick).sum::<usize>();
        assert_eq!(sum(|b| b.ids.len()), 700);
        assert_eq!([sum(|b| b.misclassified.len()), sum(|b| b.timeout.len()), sum(|b| b.vulnerable.len())], [45, 143, 7]);
        let inside = |b: &Block| b.misclassified.iter().chain(b.timeout).chain(b.vulnerable).all(|id| b.ids.contains(id));
        assert!(BLOCKS.iter().all(inside));
    }
}
