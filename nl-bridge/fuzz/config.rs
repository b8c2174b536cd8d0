// What must hold for any text that is read as the description of a leaf. Shared by the fuzz target and by the tests.

use nl_bridge::doctor::diagnose;
use nl_bridge::leaf::{BridgeConfig, LeafMac, Snapshot};
use nl_core::Error;
use nl_core::link::Link;
use nl_core::message::Messages;

/// `include/uapi/linux/rtnetlink.h`
const RTM_NEWLINK: u16 = 16;
/// `include/uapi/linux/if_link.h`
const IFLA_IFNAME: u16 = 3;

/// Reads the bytes as JSON. A description that contradicts itself is refused by each plan in the same words; any other one is written
/// and read again as it was, and what its plans say can be sent.
pub(crate) fn check(data: &[u8]) {
    let _ = serde_json::from_slice::<LeafMac>(data).map(|mac| mac.to_string());
    let Ok(config) = serde_json::from_slice::<BridgeConfig>(data) else { return };
    let text = serde_json::to_string(&config).unwrap_or_default();
    let again = serde_json::from_str::<BridgeConfig>(&text);
    assert!(again.as_ref().is_ok_and(|again| *again == config), "{text}: {again:?}");
    let mut snapshot = Snapshot::default();
    if let Err(why) = config.check() {
        let refused = config.plan(&snapshot).err().map(|error| error.to_string());
        let expected = Error::usage(why.to_string()).during(|| format!("leaf {}", config.name));
        assert_eq!(refused, Some(expected.to_string()));
        return;
    }
    for (port, index) in config.ports.iter().zip(1..) {
        snapshot.links.extend(link(index, &port.name));
    }
    let _ = diagnose(&snapshot, Some(&config));
    for plan in [config.plan(&snapshot), config.plan_adoption(&snapshot), config.plan_removal(&snapshot)] {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                assert!(error.is_usage(), "{error}");
                continue;
            }
        };
        for step in plan.steps() {
            assert!(!step.to_string().is_empty());
            for mut request in step.requests(&|_| 1) {
                assert!(request.encoded().is_ok(), "{step}");
            }
        }
    }
}

/// A device that is nobody's port.
fn link(index: u32, name: &str) -> Option<Link> {
    let mut attribute = u16::try_from(name.len() + 5).ok()?.to_ne_bytes().to_vec();
    attribute.extend(IFLA_IFNAME.to_ne_bytes());
    attribute.extend(name.as_bytes());
    attribute.push(0);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    let mut bytes = u32::try_from(32 + attribute.len()).ok()?.to_ne_bytes().to_vec();
    bytes.extend(RTM_NEWLINK.to_ne_bytes());
    bytes.extend([0; 14]);
    bytes.extend(index.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(attribute);
    Messages::new(&bytes).next()?.ok().and_then(|message| Link::decode(message).ok())
}
