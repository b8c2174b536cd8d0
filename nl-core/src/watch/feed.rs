use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Error;
use crate::monitor::Monitor;

/// A monitor whose lost events are counted, and whose receive buffer is read empty after a loss.
///
/// The kernel drops events until the receive buffer was read empty. A list that is requested after [`Input::Lost`] therefore
/// misses nothing that is not reported by a later event.
#[derive(Debug)]
pub struct Feed<T> {
    monitor: Monitor<T>,
    overruns: u64,
    ended: bool,
}

/// What a [`Feed`] yields.
#[derive(Debug)]
pub enum Input<T> {
    /// There are no more events. The error says why, unless it was yielded before.
    Ended(Option<Error>),
    /// An event.
    Event(T),
    /// An event is missing. The error says why it cannot be read; there is none if the kernel dropped events because the receive
    /// buffer was full.
    Lost(Option<Error>),
}

impl<T> Feed<T> {
    /// Reads from this monitor.
    #[must_use]
    pub const fn new(monitor: Monitor<T>) -> Self {
        Self { monitor, overruns: 0, ended: false }
    }

    /// How often the kernel dropped events because the receive buffer was full.
    #[must_use]
    pub const fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Waits for the next event, loss or end.
    pub fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input<T>> {
        if self.ended {
            return Poll::Ready(Input::Ended(None));
        }
        Pin::new(&mut self.monitor).poll_next(cx).map(|event| match event {
            Some(Ok(event)) => Input::Event(event),
            Some(Err(error)) if error.is_overrun() => {
                self.overruns += 1;
                match self.monitor.discard_pending() {
                    Ok(_) => Input::Lost(None),
                    Err(error) => {
                        self.ended = true;
                        Input::Ended(Some(error))
                    }
                }
            }
            Some(Err(error)) => Input::Lost(Some(error)),
            None => Input::Ended(None),
        })
    }
}
