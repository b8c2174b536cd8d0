use super::exchange::Verdict;
use super::sink::Sink;
use crate::attr::DecodeError;
use crate::error::{Ack, ErrorKind, Result};
use crate::message::{MessageRef, RawMessage};

/// What becomes of the messages and the verdict.
pub(super) trait Answer: Sink {
    type Output;

    fn finish(&mut self, verdict: Verdict) -> Result<Self::Output>;
}

/// The verdict only.
pub(super) struct VerdictOnly;

impl Sink for VerdictOnly {
    fn wants_messages(&self) -> bool {
        false
    }

    fn put(&mut self, _: MessageRef<'_>) {}
}

impl Answer for VerdictOnly {
    type Output = Ack;

    fn finish(&mut self, verdict: Verdict) -> Result<Ack> {
        Ok(verdict.ack)
    }
}

/// One message; further ones are an error of the kernel, and are counted.
pub(super) struct One<T, F> {
    decode: Option<F>,
    decoded: Option<Result<T, DecodeError>>,
    count: usize,
}

impl<T, F> One<T, F> {
    pub(super) const fn new(decode: F) -> Self {
        Self { decode: Some(decode), decoded: None, count: 0 }
    }
}

impl<T, F: FnOnce(MessageRef<'_>) -> Result<T, DecodeError>> Sink for One<T, F> {
    fn wants_messages(&self) -> bool {
        true
    }

    fn put(&mut self, message: MessageRef<'_>) {
        self.count += 1;
        if let Some(decode) = self.decode.take() {
            self.decoded = Some(decode(message));
        }
    }

    fn is_satisfied(&self) -> bool {
        self.count > 0
    }
}

impl<T, F: FnOnce(MessageRef<'_>) -> Result<T, DecodeError>> Answer for One<T, F> {
    type Output = T;

    fn finish(&mut self, verdict: Verdict) -> Result<T> {
        match self.decoded.take() {
            Some(decoded) if self.count == 1 => Ok(decoded?),
            None if verdict.maybe_incomplete => Err(ErrorKind::Overrun.into()),
            _ => Err(DecodeError::Short { what: "answer (messages)", needed: 1, got: self.count }.into()),
        }
    }
}

/// Every message.
#[derive(Default)]
pub(super) struct All(Vec<RawMessage>);

impl Sink for All {
    fn wants_messages(&self) -> bool {
        true
    }

    fn put(&mut self, message: MessageRef<'_>) {
        self.0.push(message.into());
    }
}

impl Answer for All {
    type Output = Reply;

    fn finish(&mut self, verdict: Verdict) -> Result<Reply> {
        match verdict.maybe_incomplete {
            true => Err(ErrorKind::Overrun.into()),
            false => Ok(Reply { messages: std::mem::take(&mut self.0), ack: verdict.ack }),
        }
    }
}

/// Everything that answered a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The messages before the verdict, in order.
    pub messages: Vec<RawMessage>,
    /// The verdict, with any warning.
    pub ack: Ack,
}
