//! Bounds alone, timed beside those of auto_LiRPA: `bounds PEERS_FOLDER [--runs 9] [--only mnist1,oval1] [--method crown] [--precision f32]`.
//!
//! PEERS_FOLDER is `data/peers` of the shared data folder: `bounds/*.npz` hold boxes, rows and auto_LiRPA's bounds, `instances` the
//! networks. Prints the peak of matrix products of this machine, then for each case and method the median CPU milliseconds of one
//! thread, the lowest margins of both (mean over the inputs), and how much of the peak the products of CROWN reach.
//! `bench/bounds.py` runs it and puts the recorded times beside it.

#[path = "../../tests/peers/npz.rs"]
mod npz;

use std::path::Path;
use std::time::Instant;

use engine::bounds::{Deployed, Descent, Network, Relaxation};
use engine::graph::{Graph, NodeId};
use engine::kernels::{Aligned, Kernel, View};
use engine::ops::{Ranges, Working};

/// Name, network, and the key of the bounds in binary32.
const CASES: [(&str, &str); 6] = [
    ("mnist1", "mnist-net_256x6"),
    ("oval1", "cifar_base_kw"),
    ("res1", "resnet_2b"),
    ("mnist100", "mnist-net_256x6"),
    ("oval10", "cifar_base_kw"),
    ("res10", "resnet_2b"),
];
/// Our method and theirs.
const METHODS: [(&str, &str); 4] =
    [("interval", "IBP"), ("crown-interval", "CROWN-IBP"), ("crown", "CROWN"), ("crown+20", "CROWN-Optimized")];

/// CPU time of this thread in seconds, where the system tells; wall time otherwise.
fn seconds(since: Instant) -> f64 {
    // The system brings its account up to date when a thread gives way.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64(), |n| n * 1e-9)
}

/// Median time of `runs` runs, and the last result.
fn timed<T>(runs: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let clock = Instant::now();
    let mut once = || {
        let start = seconds(clock);
        let result = work();
        (seconds(clock) - start, result)
    };
    let (first, mut result) = once();
    let mut times = vec![first];
    for _ in 1..runs {
        let (time, last) = once();
        times.push(time);
        result = last;
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], result)
}

/// The most floating-point operations in a second that products of cached matrices of this type reach here.
fn peak<F: Kernel>() -> f64 {
    let (rows, depth, columns) = (96, 192, 64);
    let number = |len: usize| {
        let mut values = Aligned::<F>::zeros(len);
        values.iter_mut().enumerate().for_each(|(i, v)| *v = F::from_f64((i % 7) as f64 - 3.0));
        values
    };
    let (a, b, mut c) = (number(rows * depth), number(depth * columns), number(rows * columns));
    let repeats = 100;
    let once = |c: &mut Aligned<F>| {
        for _ in 0..repeats {
            let (a, b) = (View { data: &a[..], stride: depth }, View { data: &b[..], stride: columns });
            F::product(rows, depth, columns, a, b, c, columns, false, false);
        }
    };
    let best = (0..40).map(|_| timed(1, || once(&mut c)).0).fold(f64::INFINITY, f64::min);
    (2 * rows * depth * columns * repeats) as f64 / best
}

struct Case {
    graph: Graph,
    boxes: Vec<Ranges>,
    /// Rows `e_j - e_label`, whose upper bounds are the negatives of theirs, for each box.
    starts: Vec<Vec<(NodeId, Vec<f64>)>>,
    rows: usize,
    /// Mean of their lowest margins, for each method.
    theirs: Vec<f64>,
}

fn case(folder: &Path, name: &str, network: &str) -> Case {
    let arrays = npz::read(&folder.join(format!("bounds/{name}.npz")));
    let graph = engine::input::load_network(&folder.join(format!("instances/{network}.onnx.gz"))).expect("a network");
    let count = arrays["x_lb"].rows;
    let boxes = (0..count).map(|n| Ranges { low: arrays["x_lb"].row(n).to_vec(), high: arrays["x_ub"].row(n).to_vec() }).collect();
    let output = graph.outputs[0];
    let start = |n: usize| vec![(output, arrays["C"].row(n).iter().map(|c| -c).collect())];
    let lowest = |key: &str| {
        let bounds = arrays.get(key)?;
        Some((0..count).map(|n| bounds.row(n).iter().copied().fold(f64::INFINITY, f64::min)).sum::<f64>() / count as f64)
    };
    let key = |theirs: &str| format!("lb_{}_patches_float32", theirs.replace("-Optimized", "Optimized").replace("-IBP", "IBP"));
    let theirs = METHODS.iter().map(|(_, theirs)| lowest(&key(theirs)).unwrap_or(f64::NAN)).collect();
    let starts: Vec<_> = (0..count).map(start).collect();
    let rows = arrays["C"].row(0).len() / graph.output_len();
    Case { graph, boxes, starts, rows, theirs }
}

/// What one method makes of all boxes of a case: seconds, mean of the lowest margins, multiplications of its products.
struct Result {
    seconds: f64,
    margin: f64,
    products: f64,
}

/// All boxes by one method, with the bounds of neurons in `F` and rows of the objective in `f64`.
fn bound<F: Working>(case: &Case, network: &Network, method: usize, runs: usize) -> Result {
    let never = || false;
    let rows = |relaxation: &Relaxation<f64>, n: usize, steps: usize| {
        let forms = relaxation.optimised(&case.starts[n], case.rows, Descent::of(steps), &|_| false);
        -forms.iter().map(|f| f.bound).fold(f64::NEG_INFINITY, f64::max)
    };
    // Bounds of neurons are given to the slopes' steps, as they are to theirs.
    let known: Vec<_> = match method {
        3 => case.boxes.iter().map(|x| Relaxation::<F>::crown(network, x, &never)).collect(),
        _ => Vec::new(),
    };
    let one = |n: usize| {
        let x = &case.boxes[n];
        let within = |r: &Relaxation<F>| Relaxation::<f64>::known(network, r.bounds.clone());
        match method {
            0 => (interval_margin(&Relaxation::<f64>::interval(network, x), &case.starts[n], case.rows), 0.0),
            1 => (rows(&Relaxation::<f64>::interval(network, x), n, 0), 0.0),
            2 => {
                let crown = Relaxation::<F>::crown(network, x, &never);
                (rows(&within(&crown), n, 0), crown.products)
            }
            _ => (rows(&within(&known[n]), n, 20), 0.0),
        }
    };
    let all = || (0..case.boxes.len()).map(one).fold((0.0, 0.0), |(m, p), (margin, products)| (m + margin, p + products));
    let (seconds, (margin, products)) = timed(runs, all);
    Result { seconds, margin: margin / case.boxes.len() as f64, products }
}

/// The lowest margin that intervals of the outputs give.
fn interval_margin(relaxation: &Relaxation<f64>, starts: &[(NodeId, Vec<f64>)], rows: usize) -> f64 {
    let (id, coefficients) = &starts[0];
    let ranges = &relaxation.bounds.ranges[*id];
    let upper = |row: &[f64]| row.iter().enumerate().map(|(i, &c)| (c * ranges.low[i]).max(c * ranges.high[i])).sum::<f64>();
    -coefficients.chunks(coefficients.len() / rows).map(upper).fold(f64::NEG_INFINITY, f64::max)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = args.first().expect("the folder of the peers' data");
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let runs: usize = option("--runs").and_then(|r| r.parse().ok()).unwrap_or(9);
    let chosen = |name: &str| option("--only").is_none_or(|only| only.split(',').any(|o| o == name));
    let (single, double) = (peak::<f32>(), peak::<f64>());
    println!("peak f32 {:.1} f64 {:.1} GFLOP/s", single * 1e-9, double * 1e-9);
    for (name, file) in CASES.into_iter().filter(|c| chosen(c.0)) {
        let case = case(Path::new(folder), name, file);
        let network = Network::new(&case.graph, Deployed::REAL);
        for (m, (ours, theirs)) in METHODS.into_iter().enumerate().filter(|m| option("--method").is_none_or(|only| only == m.1.0)) {
            let runs = if case.boxes.len() > 10 { runs.min(3) } else { runs };
            let precisions: &[&str] = if m < 2 { &["f64"] } else { &["f32", "f64"] };
            for &precision in precisions.iter().filter(|p| option("--precision").is_none_or(|only| only == **p)) {
                let (result, peak) = match precision {
                    "f32" => (bound::<f32>(&case, &network, m, runs), single),
                    _ => (bound::<f64>(&case, &network, m, runs), double),
                };
                let share = 2.0 * result.products / result.seconds / peak;
                println!(
                    "{name} {ours} {theirs} {precision} ms {:.3} margin {:.6} theirs {:.6} gflop {:.4} share {share:.3}",
                    1e3 * result.seconds,
                    result.margin,
                    case.theirs[m],
                    2e-9 * result.products
                );
            }
        }
    }
}
