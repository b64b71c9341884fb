//! Our bounds beside those of auto_LiRPA on the same networks and boxes (shared data folder, `facts/peers.md`): at least
//! as tight up to the noise of its binary32, and never above what the network does.
//!
//! Times are printed, best of a few runs; run with `--release --nocapture`.

mod npz;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::bounds::{Deployed, Descent, Network, Plan, Relaxation};
use engine::graph::Graph;
use engine::ops::{Ranges, Working};

/// Noise of auto_LiRPA's binary32 bounds, relative to their size plus one.
const NOISE: f64 = 1e-4;
/// The same where our intermediate bounds are rigorous ones in binary32.
const SINGLE_NOISE: f64 = 4e-3;

fn shared() -> Option<PathBuf> {
    let below = |folder: &Path| folder.join("data/peers/bounds").is_dir().then(|| folder.to_owned());
    let named = std::env::var("IRONBOUND_SHARED").ok().and_then(|f| below(Path::new(&f)));
    named.or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|a| below(&a.join("shared"))))
}

struct Case {
    graph: Graph,
    boxes: Vec<Ranges>,
    /// Rows `e_label - e_j`, for each box.
    rows: Vec<Vec<f64>>,
    /// Method and lower bounds, for each box.
    theirs: Vec<(&'static str, Vec<Vec<f64>>)>,
    outputs: usize,
}

fn case(folder: &Path, name: &str, network: &str, most: usize) -> Case {
    let arrays = npz::read(&folder.join(format!("data/peers/bounds/{name}.npz")));
    let graph = engine::input::load_network(&folder.join(format!("data/peers/instances/{network}.onnx.gz"))).expect("a network");
    let count = arrays["x_lb"].rows.min(most);
    let boxes = (0..count).map(|n| Ranges { low: arrays["x_lb"].row(n).to_vec(), high: arrays["x_ub"].row(n).to_vec() }).collect();
    let bounds = |key: &str| (0..count).map(|n| arrays[key].row(n).to_vec()).collect::<Vec<_>>();
    let theirs = vec![
        ("IBP", bounds("lb_IBP_patches_float32")),
        ("CROWN", bounds("lb_CROWN_patches_float32")),
        ("CROWN-Optimized", bounds("lb_CROWNOptimized_patches_float32")),
    ];
    let rows = (0..count).map(|n| arrays["C"].row(n).to_vec()).collect();
    let outputs = graph.output_len();
    Case { graph, boxes, rows, theirs, outputs }
}

/// Time that this thread has run, where the system tells; wall time otherwise.
fn thread_time(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// Least time of a few runs, and the last result.
fn timed<T>(runs: usize, work: impl Fn() -> T) -> (Duration, T) {
    let mut least = Duration::MAX;
    let mut result = None;
    let clock = Instant::now();
    for _ in 0..runs.max(1) {
        let start = thread_time(clock);
        result = Some(work());
        least = least.min(thread_time(clock) - start);
    }
    (least, result.expect("at least one run"))
}

/// CROWN in `F`, then the rows with optimised slopes in `f64`.
struct Ours {
    crown: Duration,
    slopes: Duration,
    bounds: Vec<f64>,
}

fn ours<F: Working>(case: &Case, n: usize, steps: usize, runs: usize) -> Ours {
    let network = Network::new(&case.graph, Deployed::REAL);
    let count = case.rows[n].len() / case.outputs;
    let starts = [(case.graph.outputs[0], case.rows[n].iter().map(|&c| -c).collect())];
    let (crown, relaxation) = timed(runs, || Relaxation::<F>::crown(&network, &case.boxes[n], &|| false));
    let plan = Plan { inherited: Some(&relaxation.bounds), rows: false, ..Plan::crown(&|| false) };
    let (slopes, forms) = timed(runs, || {
        let double = Relaxation::<f64>::planned(&network, &case.boxes[n], plan);
        double.optimised(&starts, count, Descent::of(steps), &|_| false)
    });
    Ours { crown, slopes, bounds: forms.iter().map(|f| -f.bound).collect() }
}

/// Values of the rows at points of the box.
fn sampled(case: &Case, n: usize) -> Vec<Vec<f64>> {
    let (low, high) = (&case.boxes[n].low, &case.boxes[n].high);
    let mut state = 88172645463325252u64;
    let mut bit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 40
    };
    let mut values = Vec::new();
    for k in 0..12 {
        let pick = |d: usize, random: u64| match k {
            0 => 0.5 * low[d] + 0.5 * high[d],
            1..6 => {
                if random & 1 == 0 {
                    low[d]
                } else {
                    high[d]
                }
            }
            _ => low[d] + (high[d] - low[d]) * (random as f64 / (1u64 << 24) as f64),
        };
        let point: Vec<f64> = (0..low.len()).map(|d| pick(d, bit())).collect();
        let y = case.graph.output_f64(&point);
        values.push(case.rows[n].chunks(case.outputs).map(|c| c.iter().zip(&y).map(|(c, y)| c * y).sum()).collect());
    }
    values
}

fn compare(name: &str, network: &str, most: usize) {
    let Some(folder) = shared() else {
        eprintln!("SKIPPED: {name}: the shared data folder is not there");
        return;
    };
    let case = case(&folder, name, network, most);
    let runs = if cfg!(debug_assertions) { 1 } else { 3 };
    for n in 0..case.boxes.len() {
        let samples = sampled(&case, n);
        for (at, method, steps) in [(1, "CROWN", 0), (2, "CROWN + 20 steps", 20)] {
            let (single, double) = (ours::<f32>(&case, n, steps, runs), ours::<f64>(&case, n, steps, 1));
            let theirs = &case.theirs[at].1[n];
            let least = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
            let ms = |d: Duration| 1e3 * d.as_secs_f64();
            eprintln!(
                "{name}[{n}] {method}: worst {:.6} (f64 throughout {:.6}, theirs {:.6}); ms {:.1} + {:.1} (f64 throughout {:.1} + {:.1})",
                least(&single.bounds),
                least(&double.bounds),
                least(theirs),
                ms(single.crown),
                ms(single.slopes),
                ms(double.crown),
                ms(double.slopes),
            );
            for (bounds, noise) in [(&single.bounds, SINGLE_NOISE), (&double.bounds, NOISE)] {
                for (j, (&our, &their)) in bounds.iter().zip(theirs).enumerate() {
                    assert!(our >= their - noise * (1.0 + their.abs()), "{name}[{n}] {method} row {j}: {our} below {their}");
                    let below = samples.iter().all(|sample| our <= sample[j]);
                    assert!(below, "{name}[{n}] {method} row {j}: {our} above a value");
                }
            }
        }
    }
}

#[test]
fn a_dense_network() {
    compare("mnist1", "mnist-net_256x6", 1);
}

#[test]
fn a_dense_network_on_several_images() {
    compare("mnist100", "mnist-net_256x6", if cfg!(debug_assertions) { 1 } else { 4 });
}

#[test]
fn a_convolutional_network() {
    compare("oval10", "cifar_base_kw", if cfg!(debug_assertions) { 1 } else { 10 });
}

#[test]
fn a_residual_network() {
    compare("res10", "resnet_2b", if cfg!(debug_assertions) { 1 } else { 4 });
}
