//! Rows 18 to 23: what a program that runs for long, or only for a moment, pays besides its calls.

mod burst;
mod held;
mod latency;
mod plugin;
mod watch;

use std::pin::Pin;
use std::task::Poll;

use futures_util::Stream;

pub(crate) use burst::row as burst;
pub(crate) use held::{once as connections_once, row as connections};
pub(crate) use latency::row as latency;
pub(crate) use plugin::{once as plugin_once, row as plugin};
pub(crate) use watch::{picture_once, picture_row as picture, watches_once, watches_row as watches};

// include/uapi/linux/rtnetlink.h
const RTNLGRP_NEIGH: u32 = 3;

/// Polls until there is nothing to read, so that the stream waits as it does in a program that is idle.
async fn settle<S: Stream + Unpin>(stream: &mut S) {
    std::future::poll_fn(|context| {
        while let Poll::Ready(Some(_)) = Pin::new(&mut *stream).poll_next(context) {}
        Poll::Ready(())
    })
    .await;
}
