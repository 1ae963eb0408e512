//! Requests as bytes, for what no client library would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::world::World;

/// Sends bytes and reads whatever comes until the server closes.
pub(crate) fn raw(world: &World, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.authority()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that turns a request away may close before it is whole.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// How many answers there are in what came.
pub(crate) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}
