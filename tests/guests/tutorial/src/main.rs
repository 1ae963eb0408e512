//! The HTTP component of `wstd`'s own introduction, which knows nothing of this platform: a program that many hosts run, to
//! be mounted as it is.

use wstd::http::{Body, Error, Request, Response, StatusCode};
use wstd::time::{Duration, Instant};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/wait" => wait().await,
        "/echo" => echo(request).await,
        "/" => Ok(Response::new("Hello, wasi:http/proxy world!\n".to_owned().into())),
        _ => Ok(Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty())?),
    }
}

async fn wait() -> Result<Response<Body>, Error> {
    let before = Instant::now();
    wstd::task::sleep(Duration::from_millis(5)).await;
    let waited = Instant::now().duration_since(before).as_millis();
    Ok(Response::new(format!("slept for {} milliseconds\n", waited.min(5)).into()))
}

async fn echo(request: Request<Body>) -> Result<Response<Body>, Error> {
    Ok(Response::new(request.into_body()))
}
