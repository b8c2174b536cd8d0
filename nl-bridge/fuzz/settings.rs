// What must hold for any bytes that are taken for bridges and ports. Shared by the fuzz target and by the tests.

use nl_bridge::settings::{Bridge, BridgePort, Port, PortChange, PortEvent};
use nl_core::message::{MessageRef, Messages};

use super::kind;

/// `RTM_NEWLINK`, `RTM_DELLINK`
const KINDS: [u16; 2] = [16, 17];

/// Reads the bytes as options, as a datagram, and as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    kind::check::<Bridge>(data, |link| &link.kind_data);
    kind::check::<BridgePort>(data, |link| &link.port_data);
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    for kind in KINDS {
        check_message(MessageRef::from_parts(kind, 0, data));
    }
}

fn check_message(message: MessageRef<'_>) {
    if let Ok(Some(port)) = Port::decode(message) {
        assert!(!port.to_string().is_empty());
        let mut request = PortChange::new(port.index, port.options).request();
        assert!(!request.describe().is_empty());
        if let Err(error) = request.encoded() {
            assert!(error.is_usage(), "{error}");
        }
    }
    let _ = PortEvent::decode(message);
}
