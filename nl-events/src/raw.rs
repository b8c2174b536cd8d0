use std::fmt;

use nl_core::message::{MessageRef, RawMessage};

/// A message of a group as it is: the event of a [raw source](crate::Source::raw), or [beside a typed
/// event](crate::report::ReportsBuilder::with_messages).
///
/// ```
/// use nl_core::message::{IfInfoMsg, MessageRef};
/// use nl_events::RawEvent;
///
/// # fn example(event: &RawEvent) -> Result<(), nl_core::attr::DecodeError> {
/// let (header, attrs) = event.message().header::<IfInfoMsg>()?;
/// println!("type {}, device {}, {} attributes", event.kind, header.index, attrs.count());
/// # Ok(())
/// # }
/// ```
///
/// With feature `interop`, netlink-packet-route decodes it, by `nl_core::interop::decode`:
///
/// ```
/// # #[cfg(feature = "interop")]
/// # fn example(event: &nl_events::RawEvent) -> Result<(), nl_core::attr::DecodeError> {
/// use netlink_packet_route::RouteNetlinkMessage;
///
/// let message: RouteNetlinkMessage = nl_core::interop::decode(event.message())?;
/// println!("{message:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RawEvent {
    /// The type of the message (`RTM_*`).
    pub kind: u16,
    /// The `NLM_F_*` flags.
    pub flags: u16,
    /// What follows the netlink header: the family's header and the attributes.
    pub payload: Vec<u8>,
}

impl RawEvent {
    /// A view for decoding.
    #[must_use]
    pub fn message(&self) -> MessageRef<'_> {
        MessageRef::from_parts(self.kind, self.flags, &self.payload)
    }
}

impl From<MessageRef<'_>> for RawEvent {
    fn from(message: MessageRef<'_>) -> Self {
        Self { kind: message.kind(), flags: message.flags(), payload: message.payload().to_vec() }
    }
}

impl From<RawEvent> for RawMessage {
    fn from(event: RawEvent) -> Self {
        Self::new(event.kind, event.flags, event.payload)
    }
}

/// `message type 80, 36 bytes`
impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message type {}, {} bytes", self.kind, self.payload.len())
    }
}
