//! A WebSocket client that waits for frames.

use crate::contract;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longest that a test waits for a frame before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    path: String,
}

impl Socket {
    /// Opens one; a refused handshake gives its status and body.
    ///
    /// # Panics
    /// Where the URL is malformed or nothing answers.
    pub async fn open(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, String)> {
        let mut request = url.into_client_request().expect("a WebSocket URL");
        let path = request.uri().path().to_owned();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Self { stream, path }),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
            }
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// Sends a JSON frame.
    ///
    /// # Panics
    /// Where the socket is closed.
    pub async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text frame.
    ///
    /// # Panics
    /// Where the socket is closed.
    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the socket is open");
    }

    /// Sends a binary frame.
    ///
    /// # Panics
    /// Where the socket is closed.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.send(Message::binary(bytes.to_vec())).await.expect("the socket is open");
    }

    /// The next JSON frame, or the close code. It is one that the document describes.
    ///
    /// # Panics
    /// Where neither comes in time.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).expect("frames are JSON");
                    contract::check_frame(&self.path, &frame);
                    return Ok(frame);
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The next JSON frame.
    ///
    /// # Panics
    /// Where the socket closes first.
    pub async fn frame(&mut self) -> Value {
        self.next().await.unwrap_or_else(|code| panic!("closed with {code} instead of a frame"))
    }
}
