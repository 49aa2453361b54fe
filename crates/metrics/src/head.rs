//! Samples in memory: sorted by time, each time once; what comes later replaces the values that it has.

use ecp_core::metrics::Sample;
use std::borrow::Cow;

/// Adds a batch to sorted samples. Of values with the same time and metric the last one given stays.
pub(crate) fn add(samples: &mut Vec<Sample>, batch: &[Sample]) {
    if let [sample] = batch {
        return add_one(samples, *sample);
    }
    let batch = sorted(batch);
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
    if samples.last().is_none_or(|newest| newest.timestamp_ms < first.timestamp_ms) {
        return samples.extend_from_slice(&batch);
    }
    // Callers at the same time come in any order: what is newer than the batch only makes room for it.
    let among = lower_bound(samples, first.timestamp_ms)..upper_bound(samples, last.timestamp_ms);
    let both = merged(&samples[among.clone()], &batch);
    samples.splice(among, both);
}

fn add_one(samples: &mut Vec<Sample>, sample: Sample) {
    if samples.last().is_none_or(|last| last.timestamp_ms < sample.timestamp_ms) {
        return samples.push(sample);
    }
    let index = lower_bound(samples, sample.timestamp_ms);
    match samples.get_mut(index) {
        Some(same) if same.timestamp_ms == sample.timestamp_ms => same.update(&sample),
        _ => samples.insert(index, sample),
    }
}

/// Merges two sorted runs; where both have a time, the newer run's values come over the older's.
pub(crate) fn merged(older: &[Sample], newer: &[Sample]) -> Vec<Sample> {
    let mut all = Vec::with_capacity(older.len() + newer.len());
    let mut rest = older;
    for sample in newer {
        let (before, after) = rest.split_at(lower_bound(rest, sample.timestamp_ms));
        all.extend_from_slice(before);
        rest = match after.split_first() {
            Some((same, others)) if same.timestamp_ms == sample.timestamp_ms => {
                let mut merged = *same;
                merged.update(sample);
                all.push(merged);
                others
            }
            _ => {
                all.push(*sample);
                after
            }
        };
    }
    all.extend_from_slice(rest);
    all
}

/// The samples with `start_ms <= time <= end_ms`.
pub(crate) fn within(samples: &[Sample], start_ms: i64, end_ms: i64) -> &[Sample] {
    let from = lower_bound(samples, start_ms);
    samples.get(from..upper_bound(samples, end_ms)).unwrap_or_default()
}

fn lower_bound(samples: &[Sample], timestamp_ms: i64) -> usize {
    samples.partition_point(|sample| sample.timestamp_ms < timestamp_ms)
}

fn upper_bound(samples: &[Sample], timestamp_ms: i64) -> usize {
    samples.partition_point(|sample| sample.timestamp_ms <= timestamp_ms)
}

fn sorted(batch: &[Sample]) -> Cow<'_, [Sample]> {
    if batch.is_sorted_by(|earlier, later| earlier.timestamp_ms < later.timestamp_ms) {
        return Cow::Borrowed(batch);
    }
    let mut batch = batch.to_vec();
    // The sort is stable, so the last given is the last of its equals.
    batch.sort_by_key(|sample| sample.timestamp_ms);
    batch.dedup_by(|later, earlier| {
        let same = later.timestamp_ms == earlier.timestamp_ms;
        if same {
            earlier.update(later);
        }
        same
    });
    Cow::Owned(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{batches, same_samples};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_head_is_what_a_map_by_time_would_be(batches in batches(0..60, 0..12)) {
            let (mut head, mut model) = (Vec::new(), BTreeMap::new());
            for batch in &batches {
                add(&mut head, batch);
                for sample in batch {
                    model
                        .entry(sample.timestamp_ms)
                        .and_modify(|known: &mut Sample| known.update(sample))
                        .or_insert(*sample);
                }
            }
            prop_assert!(same_samples(&head, &model.values().copied().collect::<Vec<_>>()));
            let part: Vec<Sample> = model.range(20..=40).map(|(_, sample)| *sample).collect();
            prop_assert!(same_samples(within(&head, 20, 40), &part));
        }
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_empty() {
        assert!(within(&[Sample::empty(5)], 9, 1).is_empty());
    }
}
