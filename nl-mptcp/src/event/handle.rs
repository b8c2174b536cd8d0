use nl_core::Result;
use nl_core::monitor::Monitor;

use super::codec::MptcpEvent;
use crate::EVENT_GROUP;
use crate::channel::Channel;

/// Listens to the events of the namespace, and yields what `map` makes of each.
pub(crate) async fn listen<T: Send + 'static>(
    channel: &Channel,
    receive_buffer: Option<usize>,
    map: fn(MptcpEvent) -> T,
) -> Result<Monitor<T>> {
    let family = channel.family().await?;
    let number = family.id;
    let mut monitor = channel.connection().monitor().group(family.group(EVENT_GROUP)?);
    if let Some(bytes) = receive_buffer {
        monitor = monitor.receive_buffer(bytes);
    }
    monitor.open(move |message| Ok(MptcpEvent::decode(number, message)?.map(map)))
}
