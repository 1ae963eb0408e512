//! Items in and results out over one connection, as fast as the client can send.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::guests;
use crate::report::{Report, percentile};
use crate::server::Server;

/// Items that the client writes at once.
const PIECE: usize = 32;

struct Seen {
    latencies: Vec<f64>,
    lasted: Duration,
}

pub async fn run(report: &mut Report) -> Result<()> {
    println!("\nstream");
    let data = tempfile::tempdir()?;
    let server = Server::oriel(data.path(), &[])?;
    server.install(guests::packed(&guests::answer("rust")?)?).await?;
    server.create_task("answer", "answer-rust", "answer").await?;
    flood(&server, 20_000)?;
    let mut first = first(&server)?;
    let first = percentile(&mut first, 0.5);
    report.mark(
        "stream: first result after the first item",
        "within 5 ms",
        format!("{:.2?}", Duration::from_secs_f64(first)),
        first < 0.005,
    );
    flood(&server, 100_000)?;
    let (before, _) = server.memory()?;
    server.forget_peak()?;
    let mut seen = flood(&server, 1_000_000)?;
    let (_, peak) = server.memory()?;
    let p99 = percentile(&mut seen.latencies, 0.99);
    println!(
        "  1,000,000 items {:>9.0}/s  p50 {:.2?}  p99 {:.2?}  memory {before:.0} MB before, {peak:.0} MB at most",
        1e6 / seen.lasted.as_secs_f64(),
        Duration::from_secs_f64(percentile(&mut seen.latencies, 0.5)),
        Duration::from_secs_f64(p99),
    );
    report.mark(
        "stream: p99 per item, from its last byte sent to its result read, one million items as fast as they go",
        "under 10 ms",
        format!("{:.2?}", Duration::from_secs_f64(p99)),
        p99 < 0.010,
    );
    report.mark(
        "stream: memory over one million items",
        "constant",
        format!("{before:.0} MB before, {peak:.0} MB at most"),
        peak < before + 50.0,
    );
    Ok(())
}

fn connect(server: &Server) -> Result<TcpStream> {
    let address = server.address.trim_start_matches("http://");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    // A client that cares for latency does not let the kernel hoard what it sends.
    socket.set_send_buffer_size(16 << 10)?;
    socket.connect(&address.parse::<std::net::SocketAddr>()?.into())?;
    socket.set_tcp_nodelay(true)?;
    let mut stream: TcpStream = socket.into();
    write!(
        stream,
        "POST /api/v1/tasks/stream/execute?taskId=answer&maxConcurrency=2 HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        Server::authorization()
    )?;
    Ok(stream)
}

fn send(stream: &mut TcpStream, items: std::ops::Range<usize>) -> Result<()> {
    let mut lines = String::with_capacity(items.len() * 96);
    for n in items {
        lines.push_str(&format!(
            "{{\"id\":\"{n}\",\"input\":{{\"name\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\"n\":{n}}}}}\n"
        ));
    }
    write!(stream, "{:x}\r\n{lines}\r\n", lines.len())?;
    Ok(())
}

/// The id of the next event; nothing at the end.
fn next(reader: &mut impl std::io::BufRead, line: &mut String) -> Result<Option<usize>> {
    loop {
        line.clear();
        if reader.read_line(line)? == 0 || line == "0\r\n" {
            return Ok(None);
        }
        if let Some(event) = line.strip_prefix("data: {\"id\":\"") {
            ensure!(event.contains("\"success\":true"), "an item failed: {line}");
            let id = event.split('"').next().unwrap_or_default();
            return Ok(Some(id.parse()?));
        }
    }
}

/// Seconds from a first item to its result, on new connections.
fn first(server: &Server) -> Result<Vec<f64>> {
    let mut seconds = vec![];
    for _ in 0..50 {
        let mut stream = connect(server)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let begun = Instant::now();
        send(&mut stream, 0..1)?;
        next(&mut reader, &mut String::new())?.context("no result came")?;
        seconds.push(begun.elapsed().as_secs_f64());
        write!(stream, "0\r\n\r\n")?;
        let _ = reader.read_to_end(&mut vec![]);
    }
    Ok(seconds)
}

/// Sends so many items as fast as they go, and reads all results.
fn flood(server: &Server, items: usize) -> Result<Seen> {
    let mut stream = connect(server)?;
    let reader = BufReader::with_capacity(256 << 10, stream.try_clone()?);
    let begun = Instant::now();
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..items).map(|_| AtomicU64::new(0)).collect());
    let sending = sent.clone();
    let writer = std::thread::spawn(move || -> Result<()> {
        for start in (0..items).step_by(PIECE) {
            let end = (start + PIECE).min(items);
            send(&mut stream, start..end)?;
            let now = u64::try_from(begun.elapsed().as_nanos())?;
            for sent in &sending[start..end] {
                sent.store(now, Ordering::Release);
            }
        }
        write!(stream, "0\r\n\r\n")?;
        Ok(())
    });
    let mut reader = reader;
    let mut line = String::new();
    let mut latencies = Vec::with_capacity(items);
    while latencies.len() < items {
        let id = next(&mut reader, &mut line)?.context("the stream ended early")?;
        let now = u64::try_from(begun.elapsed().as_nanos())?;
        // A result can be here before the sender has written the time down.
        let sent = sent[id].load(Ordering::Acquire);
        let latency = if sent == 0 { 0 } else { now.saturating_sub(sent) };
        latencies.push(latency as f64 / 1e9);
    }
    let lasted = begun.elapsed();
    writer.join().expect("the sender does not panic")?;
    Ok(Seen { latencies, lasted })
}
