//! Finding and reading networks and images.

use std::path::{Path, PathBuf};

use engine::input::read_bytes;
use engine::quantized::Network;
use engine::quantized::read::{Images, network_from_bytes, read_images, read_labels};

use super::options::{Dataset, Sources, TrainArgs};
use super::train::Examples;
use crate::failure::Failure;

/// A network with its test images.
pub struct Data {
    /// The network.
    pub network: Network,
    /// Its file's content, inflated: what certificates are about.
    pub network_bytes: Vec<u8>,
    /// The images.
    pub images: Images,
    /// One class per image.
    pub labels: Vec<u8>,
}

/// Names that files have: as published, or with the data set's name before.
fn names(dataset: Dataset, kind: &str) -> Vec<String> {
    let short = match dataset {
        Dataset::Mnist => "mnist",
        Dataset::FashionMnist => "fashion",
    };
    let name = dataset.name();
    let idx = if kind == "images" { "idx3" } else { "idx1" };
    match kind {
        "weights" => vec![format!("{name}_mlp.h5"), format!("weights/{name}_mlp.h5")],
        _ => [
            format!("{name}-t10k-"),
            format!("{short}-t10k-"),
            format!("{short}-t10k-first1000-"),
            format!("{name}/t10k-"),
            format!("{short}/t10k-"),
        ]
        .iter()
        .flat_map(|start| [format!("{start}{kind}-{idx}-ubyte.gz"), format!("{start}{kind}-{idx}-ubyte")])
        .collect(),
    }
}

/// The file that was named, or the one in the data folder.
fn find(given: Option<&PathBuf>, folder: Option<&Path>, dataset: Dataset, kind: &str) -> Result<PathBuf, Failure> {
    if let Some(file) = given {
        return Ok(file.clone());
    }
    let Some(folder) = folder else {
        return Err(Failure::new(format!(
            "no {kind} for {}: give --{kind} FILE, or --data DIR (or IRONBOUND_DATA) with weights, images and labels; \
             `ironbound quantized digits` needs no files",
            dataset.name()
        )));
    };
    let names = names(dataset, kind);
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Failure::about(folder, format!("no {kind} for {} there; looked for {}", dataset.name(), names.join(", "))))
}

impl Data {
    /// Reads everything, and checks that it fits together.
    pub fn read(dataset: Dataset, sources: &Sources) -> Result<Data, Failure> {
        let file = |given: &Option<PathBuf>, kind| find(given.as_ref(), sources.data.as_deref(), dataset, kind);
        let (weights, images, labels) =
            (file(&sources.weights, "weights")?, file(&sources.images, "images")?, file(&sources.labels, "labels")?);
        let network_bytes = read_bytes(&weights)?;
        let network = network_from_bytes(&network_bytes, &weights)?;
        let data = Data { network, network_bytes, images: read_images(&images)?, labels: read_labels(&labels)? };
        if data.images.pixels != data.network.inputs() {
            return Err(Failure::about(
                &images,
                format!("images of {} pixels, but the network has {} inputs", data.images.pixels, data.network.inputs()),
            ));
        }
        if data.images.count() != data.labels.len() {
            return Err(Failure::about(&labels, format!("{} labels for {} images", data.labels.len(), data.images.count())));
        }
        match data.labels.iter().find(|l| usize::from(**l) >= data.network.outputs()) {
            Some(label) => Err(Failure::about(&labels, format!("class {label}, but the network has {} outputs", data.network.outputs()))),
            None => Ok(data),
        }
    }

    /// An image with its class.
    pub fn sample(&self, id: usize) -> Result<(Vec<i64>, usize), Failure> {
        let image = self.images.get(id);
        let last = self.images.count().saturating_sub(1);
        let image = image.ok_or_else(|| Failure::new(format!("sample id {id} is out of range: there are images 0 to {last}")))?;
        Ok((image, usize::from(self.labels[id])))
    }
}

/// Labelled images to train on.
pub fn examples(args: &TrainArgs) -> Result<Examples, Failure> {
    let file = |given: &Option<PathBuf>, kind| find(given.as_ref(), args.data.as_deref(), args.dataset, kind);
    let (images, labels) = (file(&args.images, "images")?, file(&args.labels, "labels")?);
    let examples = Examples { images: read_images(&images)?, labels: read_labels(&labels)? };
    if examples.images.count() != examples.labels.len() {
        return Err(Failure::about(&labels, format!("{} labels for {} images", examples.labels.len(), examples.images.count())));
    }
    match examples.labels.iter().find(|l| **l > 9) {
        Some(label) => Err(Failure::about(&labels, format!("class {label}; only classes 0 to 9 are trained"))),
        None => Ok(examples),
    }
}
