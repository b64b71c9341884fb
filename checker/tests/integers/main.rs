//! Integer networks: the checker against a second one that counts through every accumulator, on random networks and certificates,
//! and against every input of the box; files at the limits of what is read.

mod files;
mod limits;
mod proofs;
mod reference;
mod trees;

/// A generator of random numbers (xorshift).
struct Random(u64);

impl Random {
    /// From 0 to n - 1.
    fn below(&mut self, n: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as i64 % n
    }

    /// From -n to n.
    fn around(&mut self, n: i64) -> i64 {
        self.below(2 * n + 1) - n
    }
}
