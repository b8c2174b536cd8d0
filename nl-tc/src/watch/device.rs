use nl_core::attr::DecodeError;
use nl_core::link::{LinkEvent, RTM_DELLINK};
use nl_core::message::MessageRef;

/// Whether a device was deleted, and which one. What it has goes with it, without events.
pub(super) fn deleted_device(message: MessageRef<'_>) -> Result<Option<u32>, DecodeError> {
    if message.kind() != RTM_DELLINK {
        return Ok(None);
    }
    Ok(match LinkEvent::decode(message)? {
        Some(LinkEvent::Deleted(link)) => Some(link.index),
        _ => None,
    })
}
