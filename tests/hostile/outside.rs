//! Servers that are not Oriel: what extensions talk to, and what they must never reach.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server on loopback that keeps every byte that it is sent, by connection.
pub(crate) struct Outside {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    /// It answers `200` with `hello`; a path `/to/URL` with a redirect to that URL.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let kept = Arc::clone(&kept);
                let at = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(String::new());
                    kept.len() - 1
                };
                tokio::spawn(async move {
                    let mut buffer = [0; 8192];
                    let mut answered = false;
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        let text = {
                            let mut kept = kept.lock().unwrap();
                            kept[at].push_str(&String::from_utf8_lossy(&buffer[..count]));
                            kept[at].clone()
                        };
                        if answered || !text.contains("\r\n\r\n") {
                            continue;
                        }
                        answered = true;
                        let answer = match text.split(' ').nth(1).and_then(|path| path.strip_prefix("/to/")) {
                            Some(url) => format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"),
                            None => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
                        };
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What each connection has sent.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}
