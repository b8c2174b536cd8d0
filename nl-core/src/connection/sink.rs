use crate::message::MessageRef;

/// Takes the messages that answer a request before its verdict.
pub(super) trait Sink {
    /// Whether messages are wanted at all.
    fn wants_messages(&self) -> bool;

    fn put(&mut self, message: MessageRef<'_>);

    /// Whether only the verdict is missing, which is short.
    fn is_satisfied(&self) -> bool {
        false
    }
}
