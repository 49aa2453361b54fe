#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;

fn request(target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn status(sites: &Sites, request: &Request<()>) -> u16 {
    sites.check(request).map_or_else(|refusal| refusal.status().as_u16(), |_| 200)
}

fn with_host(sites: &Sites, host: &str) -> u16 {
    status(sites, &request("/api/v1/tenants", &[("host", host)]))
}

fn with_origin(sites: &Sites, host: &str, origin: &str) -> u16 {
    status(sites, &request("/ws/alerts/acme", &[("host", host), ("origin", origin)]))
}

fn sites(hosts: &[&str], origins: &[&str], tokens: bool) -> Sites {
    let hosts = hosts.iter().map(|host| Host::parse(host).unwrap());
    Sites::new(hosts, origins.iter().map(|origin| Origin::parse(origin).unwrap()), tokens)
}

#[test]
fn without_tokens_only_this_machine_and_the_listed_hosts_are_served_on_any_port() {
    let sites = sites(&["ecp.example.com", "192.0.2.7", "[2001:db8::1]"], &[], false);
    for served in [
        "localhost",
        "localhost:8001",
        "LocalHost:1",
        "localhost.",
        "localhost.:8001",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8001",
        "[0:0:0:0:0:0:0:1]:80",
        "ecp.example.com",
        "ECP.Example.COM.:443",
        "192.0.2.7:1",
        "[2001:DB8:0::1]:8001",
    ] {
        assert_eq!(with_host(&sites, served), 200, "{served}");
    }
    for other in [
        "evil.example",
        "localhost.evil.example",
        "a.localhost",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "127.1",
        "sub.ecp.example.com",
        "example.com",
        "ecp.example.com.evil.example",
        "192.0.2.70",
        "localhost-evil:8001",
    ] {
        assert_eq!(with_host(&sites, other), 421, "{other}");
    }
}

#[test]
fn with_tokens_every_host_is_served_but_it_must_be_one() {
    let sites = sites(&[], &[], true);
    for served in ["10.1.2.3:8001", "[fd00::1]:8001", "ecp.example.com", "localhost"] {
        assert_eq!(with_host(&sites, served), 200, "{served}");
    }
    for sites in [&sites, &Sites::default()] {
        assert_eq!(status(sites, &request("/", &[])), 400);
        let twice = request("/", &[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(status(sites, &twice), 400);
        for wrong in [
            "",
            " ",
            ":8001",
            "local host",
            "localhost:x",
            "localhost:+1",
            "localhost:65536",
            "user@localhost",
            "localhost/path",
            "localhost:80:80",
            "[::1",
            "::1",
            "[localhost]",
            "a..b",
            ".",
            "-,-",
            "localhost..",
        ] {
            assert_eq!(with_host(sites, wrong), 400, "{wrong:?}");
        }
    }
}

#[test]
fn an_absolute_target_names_the_server_too_and_forwarding_headers_do_not() {
    let sites = Sites::default();
    let target = |target: &str, host: &str| status(&sites, &request(target, &[("host", host)]));
    assert_eq!(target("http://localhost:8001/healthz", "localhost:8001"), 200);
    assert_eq!(target("http://evil.example/healthz", "localhost"), 421);
    assert_eq!(target("http://localhost/healthz", "evil.example"), 421);
    let forwarded = request("/", &[("host", "evil.example"), ("x-forwarded-host", "localhost")]);
    assert_eq!(status(&sites, &forwarded), 421);
    let page = request(
        "/",
        &[("host", "localhost"), ("origin", "http://evil.example"), ("x-forwarded-host", "evil.example")],
    );
    assert_eq!(status(&sites, &page), 403);
}

#[test]
fn an_origin_is_our_own_a_listed_one_or_refused() {
    for tokens in [false, true] {
        let sites = sites(&[], &["https://console.example.com", "http://127.0.0.1:5173"], tokens);
        for (host, origin) in [
            ("localhost:8001", "http://localhost:8001"),
            ("LOCALHOST:8001", "HTTP://localhost:8001"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("[::1]:8001", "http://[0::1]:8001"),
            ("localhost.:8001", "http://localhost:8001"),
            ("localhost:8001", "https://console.example.com"),
            ("localhost:8001", "https://CONSOLE.example.com:443"),
            ("localhost:8001", "http://127.0.0.1:5173"),
        ] {
            assert_eq!(with_origin(&sites, host, origin), 200, "{origin} at {host}, tokens: {tokens}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://localhost",
            "http://localhost:8002",
            "http://127.0.0.1:8001",
            "http://localhost.evil.example:8001",
            "http://localhost:8001.evil.example",
            "http://localhost:8001/",
            "http://user@localhost:8001",
            "localhost:8001",
            "//localhost:8001",
            "file://",
            "http://",
            "http://console.example.com",
            "https://console.example.com:8443",
            "https://a.console.example.com",
            "chrome-extension://abcdefgh",
            "http://localhost:8001 http://evil.example",
        ] {
            assert_eq!(with_origin(&sites, "localhost:8001", origin), 403, "{origin:?}, tokens: {tokens}");
        }
        let two = request(
            "/",
            &[("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")],
        );
        assert_eq!(status(&sites, &two), 403);
    }
}

#[test]
fn a_page_that_came_through_a_proxy_with_tls_is_our_own_where_tokens_are_required() {
    let (host, page) = ("ecp.example.com", "https://ecp.example.com");
    assert_eq!(with_origin(&sites(&[], &[], true), host, page), 200);
    assert_eq!(with_origin(&sites(&[host], &[], false), host, page), 403);
    assert_eq!(with_origin(&sites(&[host], &[page], false), host, page), 200);
}

#[test]
fn only_pages_of_listed_origins_are_told_that_they_may_read() {
    let sites = sites(&[], &["https://console.example.com"], false);
    let check = |origin| sites.check(&request("/", &[("host", "localhost"), ("origin", origin)])).unwrap();
    assert_eq!(check("https://console.example.com").unwrap(), "https://console.example.com");
    assert_eq!(check("http://localhost"), None);
}
