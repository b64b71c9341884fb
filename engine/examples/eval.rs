//! `eval MODEL [POINTS]`: one line of outputs for each line of inputs, in the replay order of binary32.
//! Without POINTS: what was read, and how long that took.

use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    let graph = engine::input::load_network(Path::new(arguments.first().ok_or("give a model")?))?;
    let Some(points) = arguments.get(1) else {
        println!("{} nodes, {} inputs, {} outputs, {:?}", graph.nodes.len(), graph.input_len(), graph.output_len(), start.elapsed());
        return Ok(());
    };
    for line in std::fs::read_to_string(points)?.lines() {
        let point = line.split_whitespace().map(str::parse).collect::<Result<Vec<f32>, _>>()?;
        let outputs: Vec<String> = graph.output_f32(&point).iter().map(|y| format!("{y:e}")).collect();
        println!("{}", outputs.join(" "));
    }
    Ok(())
}
