use crate::message::MessageRef;

/// Takes the messages that answer a request before its verdict.
#[derive(Default)]
pub(super) struct Sink<'a> {
    each: Option<&'a mut (dyn FnMut(MessageRef<'_>) + Send)>,
    /// No more than one message is expected.
    single: bool,
    got_any: bool,
}

impl<'a> Sink<'a> {
    /// Discards messages.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Takes one message; further ones are an error of the kernel, and are counted.
    pub(super) fn one(each: &'a mut (dyn FnMut(MessageRef<'_>) + Send)) -> Self {
        Self { each: Some(each), single: true, got_any: false }
    }

    /// Takes any number of messages.
    pub(super) fn all(each: &'a mut (dyn FnMut(MessageRef<'_>) + Send)) -> Self {
        Self { each: Some(each), ..Self::default() }
    }

    /// Whether messages are wanted at all.
    pub(super) const fn wants_messages(&self) -> bool {
        self.each.is_some()
    }

    pub(super) fn put(&mut self, message: MessageRef<'_>) {
        self.got_any = true;
        if let Some(each) = &mut self.each {
            each(message);
        }
    }

    /// Whether only the verdict is missing, which is short.
    pub(super) const fn is_satisfied(&self) -> bool {
        self.single && self.got_any
    }
}
