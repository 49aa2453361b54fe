//! A receiver of webhooks on a real socket, which answers as it is told to and keeps what it got.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a receiver does with one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers this status without a body.
    Status(u16),
    /// Answers 302 to this address.
    Redirect(String),
    /// Answers 200 and a body that does not end.
    Endless,
    /// Takes the request and says nothing.
    Hang,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and path.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// A receiver on a free port of loopback; it ends when this is dropped.
pub struct TestReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    /// Answers to the next requests.
    next: Mutex<VecDeque<Answer>>,
    /// Answer to every other.
    usual: Answer,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

impl TestReceiver {
    /// Answers the first requests so, and every later one as `usual` says.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn start(first: impl IntoIterator<Item = Answer>, usual: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            next: Mutex::new(first.into_iter().collect()),
            usual,
            received: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                // A peer that goes away ends its own connection alone.
                tokio::spawn(async move { drop(serve(stream, &serving).await) });
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }

    /// What came, once it is so many requests.
    ///
    /// # Panics
    /// Where they do not come.
    pub async fn requests(&self, count: usize) -> Vec<Received> {
        let mut counted = self.shared.count.subscribe();
        let reached = counted.wait_for(|received| *received >= count);
        let reached = tokio::time::timeout(PATIENCE, reached).await.map(|_| ());
        let received = self.received();
        assert!(reached.is_ok(), "{} of {count} requests came: {received:?}", received.len());
        received
    }
}

impl Drop for TestReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let received = read(&mut stream).await?;
    shared.received.lock().push(received);
    shared.count.send_modify(|count| *count += 1);
    let answer = shared.next.lock().pop_front().unwrap_or_else(|| shared.usual.clone());
    let head = match &answer {
        Answer::Status(status) => format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n"),
        Answer::Redirect(to) => {
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
        Answer::Endless => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
        Answer::Hang => String::new(),
    };
    stream.get_mut().write_all(head.as_bytes()).await?;
    match answer {
        Answer::Endless => loop {
            stream.get_mut().write_all(&[b'x'; 4096]).await?;
        },
        // Until the other side has had enough.
        Answer::Hang => stream.read_to_end(&mut Vec::new()).await.map(|_| ()),
        Answer::Status(_) | Answer::Redirect(_) => stream.get_mut().shutdown().await,
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Received> {
    // Who goes away before its request is whole has sent none.
    let unfinished = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(unfinished());
    }
    let target = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(unfinished());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Received { target, headers, body })
}
