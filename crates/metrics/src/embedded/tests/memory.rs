//! What waits for its chunks is bounded by what it weighs.

use super::*;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn samples_of_few_values_count_as_they_weigh_in_memory_also_after_a_restart() {
    const SAMPLES: usize = 5000;
    let mut bench = Bench::new();
    let samples: Vec<Sample> = (0..SAMPLES as i64).map(|index| cpu(NOW_MS - index * 100, 1.0)).collect();
    bench.metrics().append(&tenant("one"), SampleSource::Client, &samples).await.expect("appends");
    let counted = |bench: &Bench| bench.metrics().inner.log_bytes.load(Ordering::Relaxed);
    let before = counted(&bench);
    assert!(before >= SAMPLES * size_of::<Sample>(), "{before} bytes");
    bench.reopen().await;
    assert_eq!(counted(&bench), before);
    bench.metrics().flush().await.expect("flushes");
    assert_eq!(counted(&bench), 0);
}

/// In which order callers of the same moment are taken changes nothing of what is answered.
#[tokio::test]
async fn batches_that_come_out_of_order_are_answered_as_if_they_came_in_order() {
    let batches: Vec<Vec<Sample>> = (0..20_i64)
        .map(|batch| {
            let sample =
                |index: i64| cpu(NOW_MS - HOUR_MS + batch * 10_000 + index * 100, (batch % 7) as f64);
            (0..100).map(sample).collect()
        })
        .collect();
    let mut answers = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let bench = Bench::new();
        for four in batches.chunks(4) {
            for place in order {
                let batch = &four[place];
                bench.metrics().append(&tenant("one"), SampleSource::Client, batch).await.expect("appends");
            }
        }
        let before = cpu_series(&bench, &tenant("one"), Interval::OneMinute, 1).await;
        bench.metrics().flush().await.expect("flushes");
        assert_eq!(cpu_series(&bench, &tenant("one"), Interval::OneMinute, 1).await, before);
        answers.push(before);
    }
    assert!(!answers[0].points.is_empty());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
