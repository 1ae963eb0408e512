//! Who waits for a lease, first come first served. Whoever gives a lease back hands it to the next in line; nobody
//! polls.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::PoolShared;
use super::lease::Lease;

#[derive(Default)]
pub(super) struct Queue {
    places: VecDeque<oneshot::Sender<Lease>>,
    /// Places whose owner has gone away; swept when they are half of all.
    abandoned: usize,
}

impl Queue {
    /// Those who still wait.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.places.len().saturating_sub(self.abandoned)).unwrap_or(u32::MAX)
    }

    /// Takes a place at the end.
    pub(super) fn join(&mut self) -> oneshot::Receiver<Lease> {
        let (place, ticket) = oneshot::channel();
        self.places.push_back(place);
        ticket
    }

    /// The first who still waits.
    pub(super) fn next(&mut self) -> Option<oneshot::Sender<Lease>> {
        while let Some(place) = self.places.pop_front() {
            if !place.is_closed() {
                return Some(place);
            }
            self.abandoned = self.abandoned.saturating_sub(1);
        }
        None
    }

    fn abandon(&mut self) {
        self.abandoned += 1;
        if self.abandoned * 2 > self.places.len() {
            self.places.retain(|place| !place.is_closed());
            self.abandoned = 0;
        }
    }
}

/// A place in the queue, given up when dropped. Answers nothing when the pool was closed.
pub(super) struct Waiting<'a> {
    pub(super) ticket: oneshot::Receiver<Lease>,
    pub(super) pool: &'a Arc<PoolShared>,
}

impl Future for Waiting<'_> {
    type Output = Option<Lease>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Lease>> {
        Pin::new(&mut self.ticket).poll(context).map(Result::ok)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ticket.is_terminated() {
            return;
        }
        self.ticket.close();
        match self.ticket.try_recv() {
            // It came at the last moment: dropping it hands it on.
            Ok(lease) => drop(lease),
            Err(_) => self.pool.inner.lock().queue.abandon(),
        }
    }
}
