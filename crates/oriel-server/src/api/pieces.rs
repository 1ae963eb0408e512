//! A body of known length in a few pieces, so that a long reply is not copied to get its head in front of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

pub(super) struct Pieces<const N: usize> {
    pieces: [Bytes; N],
    next: usize,
}

impl<const N: usize> Pieces<N> {
    pub(super) fn body(pieces: [Bytes; N]) -> Body {
        Body::new(Self { pieces, next: 0 })
    }
}

impl<const N: usize> http_body::Body for Pieces<N> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let at = self.next;
        let Some(piece) = self.pieces.get_mut(at).map(std::mem::take) else {
            return Poll::Ready(None);
        };
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == N
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}
