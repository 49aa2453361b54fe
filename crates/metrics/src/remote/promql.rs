//! Questions in PromQL, and their answers.

use super::client::StoreClient;
use ecp_core::ports::MetricError;
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Instant;

/// Values of one series in order of time: milliseconds since 1970, and the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) labels: HashMap<String, String>,
    pub(super) values: Vec<(i64, f64)>,
}

/// The envelope of the query API.
#[derive(Deserialize)]
struct Envelope<'a> {
    status: &'a str,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Vec<Row<'a>>,
}

/// A series of a matrix has `values`, one of a vector `value`.
#[derive(Deserialize)]
struct Row<'a> {
    metric: HashMap<String, String>,
    #[serde(borrow, default)]
    values: Vec<(f64, &'a str)>,
    #[serde(borrow, default)]
    value: Option<(f64, &'a str)>,
}

impl StoreClient {
    /// The samples of the selected series in the `window_ms` before and at a whole second, as they are
    /// stored. Whether the first moment is in is the store's to say.
    pub(super) async fn raw(
        &self,
        selector: &str,
        window_ms: i64,
        at_ms: i64,
        deadline: Instant,
    ) -> Result<Vec<Answered>, MetricError> {
        self.instant(format!("{selector}[{window_ms}ms]"), at_ms, deadline).await
    }

    /// What an expression is at a whole second.
    pub(super) async fn instant(
        &self,
        query: String,
        at_ms: i64,
        deadline: Instant,
    ) -> Result<Vec<Answered>, MetricError> {
        // VictoriaMetrics would answer as of half a minute ago otherwise; others do not know the parameter.
        let parameters = [("query", query), ("time", seconds(at_ms)), ("nocache", "1".to_owned())];
        read(&self.ask("api/v1/query", &parameters, deadline).await?)
    }

    /// What an expression is from a whole second to another, at every step.
    pub(super) async fn range(
        &self,
        query: String,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        deadline: Instant,
    ) -> Result<Vec<Answered>, MetricError> {
        let parameters = [
            ("query", query),
            ("start", seconds(start_ms)),
            ("end", seconds(end_ms)),
            ("step", seconds(step_ms)),
            ("nocache", "1".to_owned()),
        ];
        read(&self.ask("api/v1/query_range", &parameters, deadline).await?)
    }
}

fn seconds(millis: i64) -> String {
    millis.div_euclid(1000).to_string()
}

fn read(body: &[u8]) -> Result<Vec<Answered>, MetricError> {
    let unreadable =
        |reason: String| MetricError::Unavailable(format!("its answer can not be read: {reason}"));
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    if envelope.status != "success" {
        return Err(unreadable(format!("status {}", envelope.status)));
    }
    let data = envelope.data.ok_or_else(|| unreadable("there are no data".to_owned()))?;
    let row = |row: Row<'_>| {
        let values = row.values.into_iter().chain(row.value);
        let value = |(seconds, text): (f64, &str)| {
            Some(((seconds * 1000.0).round() as i64, text.parse::<f64>().ok()?))
        };
        // NaN is no value: it marks a series that ended.
        let values = values.filter_map(value).filter(|(_, value)| !value.is_nan());
        Answered { labels: row.metric, values: values.collect() }
    };
    Ok(data.result.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_and_vectors_are_read_and_what_is_no_answer_is_an_error() {
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"a","metric":"cpu_usage"},"values":[[1700000000.123,"1.5"],[1700000001,"NaN"],[1700000002,"2e3"]]}]}}"#;
        let [series] = &read(matrix).expect("reads")[..] else { panic!("one series") };
        assert_eq!(series.values, [(1_700_000_000_123, 1.5), (1_700_000_002_000, 2000.0)]);
        assert_eq!(series.labels["metric"], "cpu_usage");
        let vector = br#"{"status":"success","isPartial":false,"data":{"resultType":"vector","result":[
            {"metric":{},"value":[1700000000,"3"]}]},"stats":{}}"#;
        assert_eq!(read(vector).expect("reads")[0].values, [(1_700_000_000_000, 3.0)]);
        for wrong in [
            &b"<html>"[..],
            br#"{"status":"error","errorType":"bad_data","error":"x"}"#,
            br#"{"status":"success"}"#,
            br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
        ] {
            assert!(matches!(read(wrong), Err(MetricError::Unavailable(_))));
        }
    }
}
