//! What a store says that is not well: which answers are tried again, and which are final.

use super::*;
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers one request after another with these, and keeps what it was asked.
struct Script {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn new(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keeping = asked.clone();
        tokio::spawn(async move {
            for (status, body) in answers {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let request = read_request(&mut stream).await;
                keeping.lock().push(request);
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who asked may have gone.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, asked }
    }

    fn client(&self, credentials_file: Option<std::path::PathBuf>) -> StoreClient {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = RemoteSettings { credentials_file, ..settings(&self.url, Duration::from_secs(20)) };
        StoreClient::new(settings).expect("the credentials are right")
    }

    fn asked(&self) -> usize {
        self.asked.lock().len()
    }
}

/// The head of a request; its body is read and left.
async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return String::from_utf8_lossy(&read).into_owned();
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&read).into_owned(),
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

fn ok() -> (&'static str, String) {
    ("204 No Content", String::new())
}

fn of(status: &'static str) -> (&'static str, String) {
    (status, "words of the store".to_owned())
}

#[tokio::test]
async fn a_store_that_is_busy_or_failing_is_asked_again() {
    let script = Script::new(vec![of("503 Service Unavailable"), of("429 Too Many Requests"), ok()]).await;
    let client = script.client(None);
    client.write(vec![1, 2, 3]).await.expect("the third time");
    assert_eq!(script.asked(), 3);
    assert_eq!(client.health(), MetricHealth::Ready);
    let head = script.asked.lock()[0].to_ascii_lowercase();
    for line in
        ["post /api/v1/write ", "content-encoding: snappy", "x-prometheus-remote-write-version: 0.1.0"]
    {
        assert!(head.contains(line), "{line} in {head}");
    }
}

#[tokio::test]
async fn samples_that_are_refused_are_not_sent_again_and_the_store_counts_as_there() {
    let script = Script::new(vec![of("400 Bad Request"), ok()]).await;
    let client = script.client(None);
    let refused = client.write(vec![1]).await;
    let Err(MetricError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("400") && reason.contains("words of the store"), "{reason}");
    assert_eq!((script.asked(), client.health()), (1, MetricHealth::Ready));
}

#[tokio::test]
async fn an_address_that_takes_no_samples_is_a_store_that_is_away() {
    let script = Script::new(vec![of("404 Not Found")]).await;
    let client = script.client(None);
    let refused = client.write(vec![1]).await;
    assert!(
        matches!(&refused, Err(MetricError::Unavailable(reason)) if reason.contains("404")),
        "{refused:?}"
    );
    assert!(matches!(client.health(), MetricHealth::Unreachable(_)));
}

#[tokio::test]
async fn credentials_that_were_changed_are_read_again_once() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "Bearer old").expect("writes");
    let script =
        Script::new(vec![of("401 Unauthorized"), ok(), of("403 Forbidden"), of("403 Forbidden")]).await;
    let client = script.client(Some(file.path().to_owned()));
    std::fs::write(file.path(), "Basic ecp:new").expect("writes");
    client.write(vec![1]).await.expect("with the new ones");
    let refused = client.write(vec![1]).await;
    assert!(
        matches!(&refused, Err(MetricError::Unavailable(reason)) if reason.contains("credentials_file")),
        "{refused:?}"
    );
    let asked = script.asked.lock();
    let with =
        |index: usize, text: &str| asked[index].to_ascii_lowercase().contains(&text.to_ascii_lowercase());
    assert!(
        with(0, "authorization: Bearer old") && with(1, "authorization: Basic ZWNwOm5ldw=="),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 4);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let script = Script::new(vec![("200 OK", " ".repeat(33 << 20))]).await;
    let client = script.client(None);
    let answer = client.instant("1".to_owned(), 0, client.deadline()).await;
    assert!(
        matches!(&answer, Err(MetricError::Unavailable(reason)) if reason.contains("is over")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_store_that_does_not_delete_series_says_so_and_is_not_away() {
    for status in ["404 Not Found", "405 Method Not Allowed", "403 Forbidden"] {
        let script = Script::new(vec![of(status)]).await;
        let client = script.client(None);
        assert!(!client.delete_series("{a=\"b\"}").await.expect("an answer"), "{status}");
        assert_eq!(client.health(), MetricHealth::Ready);
    }
    let off = ("503 Service Unavailable", "{\"error\":\"admin APIs disabled\"}".to_owned());
    assert!(!Script::new(vec![off]).await.client(None).delete_series("{a=\"b\"}").await.expect("an answer"));
}
