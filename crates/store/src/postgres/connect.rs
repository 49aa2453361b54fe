//! Ways to a server: its address, TLS, and what every session begins with.

use super::{PostgresError, UrlFault};
use crate::sql::PostgresSession;
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::ffi::OsString;
use std::fmt::Display;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to come up.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a statement may take, and how long a transaction may stand idle, by the server's clock: a process
/// that is paused while it holds the lock of all writers must let go of it before the others' leases end.
const SESSION: &str = "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '4s';
    SET client_min_messages = warning;";
/// Oldest server that is known to work, as `server_version_num` counts.
const OLDEST: i64 = 140_000;

/// The address of a server, with what connects to it: `postgres://user:password@host:port/database`, with
/// `sslmode` (`disable`, `prefer`, `require`, `verify-full`) and `sslrootcert`.
#[derive(Clone)]
pub struct PostgresUrl {
    config: Config,
    root_certificate: Option<PathBuf>,
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told())
    }
}

impl FromStr for PostgresUrl {
    type Err = PostgresError;

    fn from_str(url: &str) -> Result<Self, PostgresError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(UrlFault::Scheme.into());
        }
        let (plain, root_certificate) = without_root_certificate(url);
        // This program always checks a certificate that it is shown, so that these mean what `require` does.
        let plain = plain.replace("sslmode=verify-full", "sslmode=require");
        let plain = plain.replace("sslmode=verify-ca", "sslmode=require");
        // The text may hold a password: it is not in what is told.
        let mut config = Config::from_str(&plain).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}"));
            UrlFault::Unreadable(format!("{error}{}", cause.unwrap_or_default()))
        })?;
        config
            .application_name("ecp-orchestrator")
            .connect_timeout(CONNECT_WITHIN)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(10));
        Ok(Self { config, root_certificate })
    }
}

impl PostgresUrl {
    /// The server, without what is secret.
    pub fn told(&self) -> String {
        let hosts = self.config.get_hosts().iter().zip(self.config.get_ports().iter().chain([&5432]));
        let hosts: Vec<String> = hosts
            .map(|(host, port)| match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!("postgres://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

/// The parameter that the client library does not know, apart from the others.
fn without_root_certificate(url: &str) -> (String, Option<PathBuf>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let mut path = None;
    let others: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.strip_prefix("sslrootcert=") {
            Some(value) => {
                let bytes: Vec<u8> = percent_decode_str(value).collect();
                path = Some(PathBuf::from(OsString::from_vec(bytes)));
                false
            }
            None => true,
        })
        .collect();
    (format!("{address}?{}", others.join("&")), path)
}

/// Connects to one schema of a server.
pub(super) struct Connector {
    url: PostgresUrl,
    schema: &'static str,
}

impl Connector {
    pub(super) fn new(url: &PostgresUrl, schema: &'static str) -> Self {
        Self { url: url.clone(), schema }
    }

    /// The server and the schema, without what is secret.
    pub(super) fn told(&self) -> String {
        format!("{}, schema {}", self.url.told(), self.schema)
    }

    /// The schema.
    pub(super) fn schema(&self) -> &'static str {
        self.schema
    }

    /// A session that is ready to use.
    pub(super) fn connect(&self) -> Result<PostgresSession, PostgresError> {
        self.connect_and_hear(Arc::new(Notify::new()))
    }

    /// As [`Self::connect`]; notifications that the session listens for wake `heard`.
    pub(super) fn connect_and_hear(&self, heard: Arc<Notify>) -> Result<PostgresSession, PostgresError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tls = self.tls()?;
        let client = runtime.block_on(async {
            let connecting = self.url.config.connect(tls);
            let (client, mut connection) = tokio::time::timeout(2 * CONNECT_WITHIN, connecting)
                .await
                .map_err(|_| PostgresError::Silent(2 * CONNECT_WITHIN))??;
            tokio::spawn(async move {
                loop {
                    match std::future::poll_fn(|context| connection.poll_message(context)).await {
                        Some(Ok(AsyncMessage::Notification(_))) => heard.notify_one(),
                        Some(Ok(_)) => {}
                        // Whoever asks next is told why.
                        Some(Err(_)) | None => return heard.notify_one(),
                    }
                }
            });
            Ok::<_, PostgresError>(client)
        })?;
        let mut session = PostgresSession::new(runtime, client);
        session.batch(SESSION)?;
        session.batch(&format!("SET search_path = {}", self.schema))?;
        let version =
            session.query("SELECT current_setting('server_version_num')::bigint, version()", &[])?;
        if let Some(row) = version.first() {
            let number: i64 = row.try_get(0)?;
            if number < OLDEST {
                return Err(PostgresError::TooOld(row.try_get(1)?));
            }
        }
        Ok(session)
    }

    fn tls(&self) -> Result<MakeRustlsConnect, PostgresError> {
        let mut roots = RootCertStore::empty();
        let tls = |error: &dyn Display| PostgresError::Tls(error.to_string());
        match &self.url.root_certificate {
            Some(path) => {
                let of_file = |error: &dyn Display| tls(&format!("sslrootcert={}: {error}", path.display()));
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| of_file(&error))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| of_file(&error))?;
                    roots.add(certificate).map_err(|error| of_file(&error))?;
                }
                if roots.is_empty() {
                    return Err(of_file(&"there is no certificate in it"));
                }
            }
            None if self.url.config.get_ssl_mode() == SslMode::Disable => {}
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

#[cfg(test)]
mod tests;
