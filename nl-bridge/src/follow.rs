//! Which events of devices say that a table changed without an event of its own.

use nl_core::attr::DecodeError;
use nl_core::link::{LinkEvent, RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::MessageRef;

/// Whether a device was deleted, or one of these kinds is new or has changed.
///
/// What a device has goes with it, without events or with some. The kernel also resumes lists by counting devices, so a list
/// that is read while any of them is deleted can lack another one's entries.
pub(crate) fn is_of_device(message: MessageRef<'_>, kinds: &[&str]) -> Result<bool, DecodeError> {
    if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
        return Ok(false);
    }
    Ok(match LinkEvent::decode(message)? {
        Some(LinkEvent::Deleted(_)) => true,
        Some(event) => kinds.iter().any(|kind| event.link().is_kind(kind)),
        None => false,
    })
}
