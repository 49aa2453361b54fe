//! Where a metric store is and how it is asked: addresses, credentials, times.

use reqwest::Url;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The path of remote write where no other is named: VictoriaMetrics and Prometheus have it.
const WRITE_PATH: &str = "api/v1/write";

/// The address of a metric store: `http://host:port/path`, or `https`. No query, no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct MetricsUrl(Url);

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsUrlError {
    /// It cannot be read as one.
    #[error(
        "can not be read as an address ({0}); write it as http://victoria-metrics:8428 or https://host/path"
    )]
    Unreadable(String),
    /// It has another scheme.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// It has a user or a password, which others could read.
    #[error("must not hold a user or a password; name a file with them in metrics.credentials_file")]
    Credentials,
    /// It has a query or a fragment.
    #[error("must end with the path: leave out what follows ? or #")]
    Query,
}

impl FromStr for MetricsUrl {
    type Err = MetricsUrlError;

    fn from_str(text: &str) -> Result<Self, MetricsUrlError> {
        // What is wrong is told without the text, which may hold a password.
        let url = Url::parse(text.trim()).map_err(|error| MetricsUrlError::Unreadable(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(MetricsUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(MetricsUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(MetricsUrlError::Query);
        }
        Ok(Self(url))
    }
}

impl MetricsUrl {
    /// The address of something below this one, such as `api/v1/query`.
    pub(crate) fn below(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// Where remote write is taken where no other address is named for it.
    #[must_use]
    pub fn write_url(&self) -> Self {
        Self(self.below(WRITE_PATH))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for MetricsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Debug for MetricsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a metric store is and how it is asked.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// What answers PromQL: `api/v1/query` and `api/v1/query_range` are below it.
    pub read_url: MetricsUrl,
    /// What takes remote write, whole.
    pub write_url: MetricsUrl,
    /// File with `Bearer TOKEN` or `Basic USER:PASSWORD`; read again where the store refuses what it had.
    pub credentials_file: Option<PathBuf>,
    /// `X-Scope-OrgID` of every request, as Mimir tells its tenants apart by.
    pub scope_org_id: Option<String>,
    /// Longest that one question or write may take, with all tries.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_without_credentials_and_query() {
        let parsed = |text: &str| text.parse::<MetricsUrl>();
        let store = parsed("http://vm:8428").expect("an address");
        assert_eq!(store.below("api/v1/query").as_str(), "http://vm:8428/api/v1/query");
        assert_eq!(store.write_url().to_string(), "http://vm:8428/api/v1/write");
        let mimir = parsed("https://mimir.example/prometheus/").expect("an address");
        assert_eq!(mimir.below("api/v1/query").as_str(), "https://mimir.example/prometheus/api/v1/query");
        assert_eq!(parsed("ftp://vm"), Err(MetricsUrlError::Scheme));
        assert_eq!(parsed("http://ecp:secret@vm"), Err(MetricsUrlError::Credentials));
        assert_eq!(parsed("http://vm/?a=b"), Err(MetricsUrlError::Query));
        for unreadable in ["vm:8428/x y", "", "vm", "http://"] {
            assert!(parsed(unreadable).is_err(), "{unreadable:?}");
        }
    }
}
