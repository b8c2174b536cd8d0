// What must hold for any bytes that are taken for generic netlink families.

use nl_core::genl::{Family, FamilyEvent};

use super::messages::each_message;

/// `GENL_ID_CTRL`
const CONTROL: u16 = 16;

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[CONTROL], |message| {
        let _ = FamilyEvent::decode(message).map(|event| format!("{event:?}"));
        if let Ok(family) = Family::decode(message) {
            assert_ne!(family.id, 0);
            for (name, number) in &family.groups {
                // The first of those that have the name.
                assert!(family.group(name).is_ok(), "{name} {number}");
            }
        }
    });
}
