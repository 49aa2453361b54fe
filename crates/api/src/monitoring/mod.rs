//! Samples over HTTP: the query of their averages, and their ingest.

mod answers;
mod ingest;
mod read;

pub(crate) use answers::Answers;
pub(crate) use ingest::{__path_send_metrics, send_metrics};
pub(crate) use read::{
    __path_get_monitoring, MAX_HOURS, METRIC_TYPES, MILLIS_PER_HOUR, TimeRangeOut, get_monitoring,
    write_number,
};
