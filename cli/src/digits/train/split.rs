//! A stratified split: every class gives the same share of its images to the test set.

use super::random::Random;
use crate::digits::dataset::{Dataset, Example};

/// Splits off `ceil(share * n)` test examples; test ids count from 0. Returns (training, test).
pub fn split(data: &Dataset, share: f64, seed: u64) -> (Dataset, Dataset) {
    let mut random = Random::new(seed);
    let mut classes: Vec<Vec<&Example>> = vec![Vec::new(); data.classes];
    data.examples.iter().for_each(|e| classes[e.label].push(e));
    let quotas = quotas(&classes.iter().map(Vec::len).collect::<Vec<_>>(), share);
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for (mut members, quota) in classes.into_iter().zip(quotas) {
        random.shuffle(&mut members);
        let (first, rest) = members.split_at(quota);
        test.extend(first.iter().map(|e| (*e).clone()));
        training.extend(rest.iter().map(|e| (*e).clone()));
    }
    random.shuffle(&mut test);
    test.iter_mut().enumerate().for_each(|(id, e)| e.id = id);
    let set = |examples| Dataset { examples, ..*data };
    (set(training), set(test))
}

/// How many of each class: the share rounded down, and the remainder to the classes that lost most.
fn quotas(sizes: &[usize], share: f64) -> Vec<usize> {
    let wanted = ((sizes.iter().sum::<usize>() as f64 * share).ceil() as usize).min(sizes.iter().sum());
    let mut quotas: Vec<usize> = sizes.iter().map(|&n| (n as f64 * share) as usize).collect();
    let lost = |i: usize| sizes[i] as f64 * share - (sizes[i] as f64 * share).floor();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| lost(b).total_cmp(&lost(a)).then(a.cmp(&b)));
    for &class in order.iter().cycle().take(10 * sizes.len()) {
        if quotas.iter().sum::<usize>() < wanted && quotas[class] < sizes[class] {
            quotas[class] += 1;
        }
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_share_and_nothing_is_lost() {
        assert_eq!(quotas(&[178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 0.2).iter().sum::<usize>(), 360);
        let data = crate::digits::embedded::images();
        let (training, test) = split(&data, 0.2, 0);
        assert_eq!((training.examples.len(), test.examples.len()), (1437, 360));
        assert_eq!(test.examples.iter().filter(|e| e.label == 8).count(), 35);
    }
}
