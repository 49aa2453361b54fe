//! Prometheus remote write 1.0: samples as series in protobuf, compressed with snappy.

use super::series::SeriesLabels;
use ecp_core::metrics::{Metric, Sample};
use prost::Message;

/// `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

/// `prometheus.TimeSeries`.
#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    /// Sorted by name.
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    /// In order of time.
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
}

/// `prometheus.Label`.
#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `prometheus.Sample`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    /// In milliseconds since 1970.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A body of remote write: samples in order of time, each time once, as a series for each metric that they have.
pub(super) fn write_request(labels: &SeriesLabels<'_>, samples: &[Sample]) -> Result<Vec<u8>, snap::Error> {
    let series = |metric: Metric| {
        let point =
            |sample: &Sample| sample.get(metric).map(|value| Point { value, timestamp: sample.timestamp_ms });
        let samples: Vec<Point> = samples.iter().filter_map(point).collect();
        let label = |(name, value): (&str, String)| Label { name: name.to_owned(), value };
        let labels = labels.of(metric).into_iter().map(label);
        (!samples.is_empty()).then(|| TimeSeries { labels: labels.collect(), samples })
    };
    let request = WriteRequest { timeseries: Metric::ALL.into_iter().filter_map(series).collect() };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecp_core::ids::{Incarnation, TenantId, TenantKey};
    use ecp_core::metrics::SampleSource;

    #[test]
    fn each_metric_that_was_sent_is_a_series_with_sorted_labels() {
        let key = TenantKey {
            id: TenantId::parse("acme").expect("a label"),
            incarnation: Incarnation::begun_at(7),
        };
        let labels =
            SeriesLabels { owner: &Owner::new("real", "ecp-a"), key: &key, source: SampleSource::Client };
        let mut first = Sample::empty(1000);
        first.values[Metric::CpuUsage.index()] = 1.5;
        let mut second = Sample::empty(2000);
        second.values[Metric::CpuUsage.index()] = 2.5;
        second.values[Metric::ErrorRate.index()] = 0.0;
        let body = write_request(&labels, &[first, second]).expect("compresses");
        let plain = snap::raw::Decoder::new().decompress_vec(&body).expect("is snappy");
        let request = WriteRequest::decode(plain.as_slice()).expect("is protobuf");
        let [cpu, errors] = &request.timeseries[..] else { panic!("{request:?}") };
        assert_eq!(cpu.samples.len(), 2);
        assert_eq!(errors.samples, [Point { value: 0.0, timestamp: 2000 }]);
        let told: Vec<String> =
            cpu.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        let expected = [
            "__name__=ecp_tenant_cpu_usage",
            "incarnation=7",
            "installation=ecp-a",
            "metric=cpu_usage",
            "mode=real",
            "source=client",
            "tenant_id=acme",
        ];
        assert_eq!(told, expected);
    }

    use super::super::series::Owner;
}
