//! A server that takes TLS alone, and one that has none: who is let in, and what is said to who is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap fails the test")]

use super::*;
use ecp_testservers::Postgres;
use std::path::Path;

fn connect(host: &str, port: u16, parameters: &str) -> Result<PostgresSession, PostgresError> {
    let url = format!("postgres://ecp@{host}:{port}/postgres{parameters}");
    Connector::new(&url.parse().unwrap(), "public").connect()
}

/// What is said where nobody is let in.
fn refused(host: &str, port: u16, parameters: &str) -> String {
    match connect(host, port, parameters) {
        Ok(_) => panic!("{parameters} was let in"),
        Err(error) => error.to_string(),
    }
}

fn root(path: &Path) -> String {
    format!("&sslrootcert={}", path.display())
}

#[test]
fn a_server_that_requires_tls_is_trusted_by_its_authority_alone_and_nothing_goes_in_plain() {
    let server = Postgres::start_requiring_tls().unwrap();
    let port = server.port();
    let ca = root(&server.file("ca.pem"));
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let mut session = connect("127.0.0.1", port, &format!("?sslmode={mode}{ca}")).unwrap();
        let rows = session.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).unwrap();
        assert!(rows[0].try_get::<_, bool>(0).unwrap(), "{mode}");
    }
    for wrong in [root(&server.file("other.pem")), String::new()] {
        for mode in ["require", "verify-full", "prefer"] {
            let said = refused("127.0.0.1", port, &format!("?sslmode={mode}{wrong}"));
            assert!(
                said.contains("UnknownIssuer") && said.contains("sslrootcert=FILE"),
                "{mode}{wrong}: {said}"
            );
        }
    }
    let said = refused("localhost", port, &format!("?sslmode=require{ca}"));
    assert!(said.contains("localhost") && !said.contains("sslrootcert=FILE"), "{said}");
    let said = refused("127.0.0.1", port, "?sslmode=disable");
    assert!(said.contains("no encryption") && said.contains("sslmode=require"), "{said}");
}

#[test]
fn a_server_without_tls_is_not_spoken_to_in_plain_where_tls_was_asked_for() {
    let port = Postgres::shared().port();
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = refused("127.0.0.1", port, &format!("?sslmode={mode}"));
        assert!(said.contains("does not support TLS"), "{mode}: {said}");
    }
    connect("127.0.0.1", port, "").unwrap();
}

#[test]
fn a_file_of_roots_that_has_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("with space.pem"), folder.path().join("missing.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    for path in [empty, missing] {
        let encoded = path.display().to_string().replace(' ', "%20");
        let said = refused("127.0.0.1", 1, &format!("?sslmode=require&sslrootcert={encoded}"));
        assert!(said.contains(&format!("sslrootcert={}", path.display())), "{said}");
    }
}
