use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::answer::Answer;
use super::exchange::{Exchange, Flight};
use crate::error::Result;
use crate::request::Request;
use crate::socket::Socket;
use crate::trace::RequestSpan;

/// A request on its way to the kernel and back.
///
/// Not an `async fn`: those keep each argument twice, and what is moved here is most of what a call costs.
pub(super) struct Call<'a, A> {
    socket: &'a Socket,
    exchange: &'a Exchange,
    request: Request,
    flight: Flight,
    answer: A,
    span: RequestSpan,
}

impl<'a, A: Answer> Call<'a, A> {
    pub(super) fn new(
        (socket, exchange): (&'a Socket, &'a Exchange),
        limit: Option<Duration>,
        request: Request,
        answer: A,
    ) -> Self {
        let (flight, span) = (Flight::new(limit), RequestSpan::new());
        Self { socket, exchange, request, flight, answer, span }
    }
}

impl<A> Unpin for Call<'_, A> {}

impl<A: Answer> Future for Call<'_, A> {
    type Output = Result<A::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, exchange, request, flight, answer, span } = self.get_mut();
        span.begin_request(|| socket.with_device_names(request.describe()));
        let verdict = ready!(exchange.poll(cx, socket, request, flight, answer));
        exchange.abandon(flight);
        let outcome = verdict.and_then(|verdict| answer.finish(verdict));
        span.end(&outcome);
        Poll::Ready(outcome.map_err(|error| request.explain(error)))
    }
}

impl<A> Drop for Call<'_, A> {
    fn drop(&mut self) {
        self.exchange.abandon(&mut self.flight);
    }
}
