use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

#[cfg(feature = "action")]
use crate::action::{Action, RTM_DELACTION, RTM_NEWACTION};
use crate::class::Class;
use crate::filter::Filter;
use crate::message::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER,
};
use crate::qdisc::Qdisc;

/// A change of the qdiscs, classes, filters or actions of a namespace, from the group [`RTNLGRP_TC`](crate::RTNLGRP_TC).
///
/// The kernel has no event for what is deleted with another object: the classes, filters and qdiscs of a deleted qdisc or device.
/// The answer to a read of a single object comes to the group too, as if the object were new. The event of a new `matchall` filter has
/// neither its handle nor its options.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TcEvent {
    /// Actions were deleted that filters shared.
    #[cfg(feature = "action")]
    DeletedActions(Vec<Action>),
    /// A class was deleted.
    DeletedClass(Class),
    /// A filter was deleted. Without a [handle](Filter::handle): all of its priority.
    DeletedFilter(Filter),
    /// A qdisc was deleted.
    DeletedQdisc(Qdisc),
    /// Actions that filters share are new or have changed.
    #[cfg(feature = "action")]
    NewActions(Vec<Action>),
    /// A class is new or has changed.
    NewClass(Class),
    /// A filter is new or has changed.
    NewFilter(Filter),
    /// A qdisc is new or has changed.
    NewQdisc(Qdisc),
}

impl TcEvent {
    /// Reads an event; `None` for a message that is about something else, such as a chain.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match message.kind() {
            RTM_NEWQDISC => Self::NewQdisc(Qdisc::decode(message)?),
            RTM_DELQDISC => Self::DeletedQdisc(Qdisc::decode(message)?),
            RTM_NEWTCLASS => Self::NewClass(Class::decode(message)?),
            RTM_DELTCLASS => Self::DeletedClass(Class::decode(message)?),
            RTM_NEWTFILTER => Self::NewFilter(Filter::decode(message)?),
            RTM_DELTFILTER => Self::DeletedFilter(Filter::decode(message)?),
            #[cfg(feature = "action")]
            RTM_NEWACTION => Self::NewActions(Action::decode_message(message)?),
            #[cfg(feature = "action")]
            RTM_DELACTION => Self::DeletedActions(Action::decode_message(message)?),
            _ => return Ok(None),
        }))
    }
}
