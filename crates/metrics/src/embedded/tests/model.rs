//! Random histories: whatever is appended, flushed, cut off and reopened, answers are those of a
//! plain map of samples.

use super::*;
use crate::testing::batches;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Times are twenty seconds apart and go back some hours, so that they collide often.
const STEP_MS: i64 = 20_000;
const STEPS: i64 = 800;

#[derive(Clone, Debug)]
enum Step {
    Append {
        tenant: usize,
        samples: Vec<Sample>,
        synthetic: bool,
    },
    Remove {
        tenant: usize,
    },
    Flush,
    /// A flush that ends after some tenants, as if the process had been killed there.
    CutFlush {
        tenants: usize,
    },
    Reopen,
    Query {
        tenant: usize,
        query: SeriesQuery,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let tenant = 0..3usize;
    let samples = batches(0..STEPS, 1..40).prop_map(|batches| {
        let mut samples: Vec<Sample> = batches.into_iter().flatten().collect();
        samples.iter_mut().for_each(|sample| sample.timestamp_ms = NOW_MS - sample.timestamp_ms * STEP_MS);
        samples
    });
    let query = (
        prop::sample::subsequence(Metric::ALL.to_vec(), 1..4),
        prop::sample::select(&Interval::ALL[..]),
        0..STEPS * STEP_MS,
        0..STEPS * STEP_MS,
    )
        .prop_map(|(metrics, interval, first, second)| SeriesQuery {
            metrics,
            start_ms: NOW_MS - first.max(second),
            end_ms: NOW_MS - first.min(second),
            interval,
        });
    prop_oneof![
        6 => (tenant.clone(), samples, prop::bool::weighted(0.3))
            .prop_map(|(tenant, samples, synthetic)| Step::Append { tenant, samples, synthetic }),
        1 => tenant.clone().prop_map(|tenant| Step::Remove { tenant }),
        3 => Just(Step::Flush),
        2 => (0..3usize).prop_map(|tenants| Step::CutFlush { tenants }),
        2 => Just(Step::Reopen),
        6 => (tenant, query).prop_map(|(tenant, query)| Step::Query { tenant, query }),
    ]
}

#[derive(Default)]
struct Model {
    samples: BTreeMap<i64, Sample>,
    own: bool,
}

impl Model {
    fn append(&mut self, samples: &[Sample], synthetic: bool) {
        if (self.own && synthetic) || samples.is_empty() {
            return;
        }
        if !self.own && !synthetic {
            self.samples.clear();
            self.own = true;
        }
        for sample in samples {
            let known = self.samples.entry(sample.timestamp_ms).or_insert(*sample);
            known.update(sample);
        }
    }

    fn query(&self, query: &SeriesQuery) -> Vec<Series> {
        let width = query.interval.millis();
        let start_ms = query.start_ms - query.start_ms % width;
        let series = |metric: &Metric| {
            let values: Vec<(i64, f64)> = self
                .samples
                .range(start_ms..=query.end_ms)
                .filter_map(|(time, sample)| sample.get(*metric).map(|value| (time - time % width, value)))
                .collect();
            let mean = |values: &[(i64, f64)]| {
                values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64
            };
            Series {
                metric: *metric,
                points: values
                    .chunk_by(|a, b| a.0 == b.0)
                    .map(|bucket| (bucket[0].0, mean(bucket)))
                    .collect(),
                average: (!values.is_empty()).then(|| mean(&values)),
                maximum: values.iter().map(|(_, value)| *value).reduce(f64::max),
            }
        };
        query.metrics.iter().map(series).collect()
    }
}

/// Equal but for the last digits of sums that were added in another order.
fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
}

fn same(left: &[Series], right: &[Series]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left.metric == right.metric
                && left.maximum == right.maximum
                && left.average.is_some() == right.average.is_some()
                && left.average.zip(right.average).is_none_or(|(left, right)| close(left, right))
                && left.points.len() == right.points.len()
                && left.points.iter().zip(&right.points).all(|(a, b)| a.0 == b.0 && close(a.1, b.1))
        })
}

async fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    let names = ["one", "two", "three"].map(tenant);
    let mut bench = Bench::new();
    let mut models: [Model; 3] = Default::default();
    let check = async |bench: &Bench, models: &[Model; 3], index: usize, query: &SeriesQuery| {
        let answer = bench.metrics().query(&names[index], query).await.expect("answers");
        let expected = models[index].query(query);
        prop_assert!(same(&answer, &expected), "{query:?}\nanswered {answer:?}\nexpected {expected:?}");
        Ok(())
    };
    for step in steps {
        match step {
            Step::Append { tenant, samples, synthetic: false } => {
                bench
                    .metrics()
                    .append(&names[*tenant], SampleSource::Client, samples)
                    .await
                    .expect("appends");
                models[*tenant].append(samples, false);
            }
            Step::Append { tenant, samples, synthetic: true } => {
                bench
                    .metrics()
                    .append(&names[*tenant], SampleSource::Synthetic, samples)
                    .await
                    .expect("appends");
                models[*tenant].append(samples, true);
            }
            Step::Remove { tenant } => {
                bench.metrics().remove_tenant(&names[*tenant]).await.expect("removes");
                models[*tenant] = Model::default();
            }
            Step::Flush => bench.metrics().maintain_once().await.expect("flushes"),
            Step::CutFlush { tenants } => {
                let slots = bench.metrics().inner.unflushed.lock().iter().take(*tenants).cloned().collect();
                bench.metrics().inner.flush_group(slots).await.expect("writes chunks");
                bench.reopen().await;
            }
            Step::Reopen => bench.reopen().await,
            Step::Query { tenant, query } => check(&bench, &models, *tenant, query).await?,
        }
        for (name, model) in names.iter().zip(&models) {
            prop_assert_eq!(bench.metrics().has_own_samples(name).await.expect("answers"), model.own);
            let newest = bench.metrics().subscribe(name).borrow().map(|latest| latest.samples());
            let expected = |metric: Metric| {
                model
                    .samples
                    .values()
                    .rev()
                    .find_map(|sample| Some((sample.timestamp_ms, sample.get(metric)?)))
            };
            for metric in Metric::ALL {
                let known = newest.iter().flatten();
                let told =
                    known.filter_map(|sample| Some((sample.timestamp_ms, sample.get(metric)?))).next_back();
                prop_assert_eq!(told, expected(metric));
            }
        }
    }
    for index in 0..3 {
        for interval in Interval::ALL {
            let query = SeriesQuery { start_ms: NOW_MS - DAY_MS, ..everything(interval) };
            check(&bench, &models, index, &query).await?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn answers_are_those_of_a_map_of_samples_whatever_happens(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(&steps))?;
    }
}
