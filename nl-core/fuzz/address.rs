// What must hold for any bytes that are taken for addresses.

use nl_core::address::{Address, AddressEvent, AddressVerb, RTM_DELADDR, RTM_NEWADDR};

use super::messages::each_message;
use super::object;

const VERBS: [AddressVerb; 3] = [AddressVerb::Add, AddressVerb::Delete, AddressVerb::Replace];

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWADDR, RTM_DELADDR], |message| {
        if let Ok(Some(event)) = AddressEvent::decode(message) {
            assert!(!format!("{event:?}").is_empty());
        }
        if let Ok(address) = Address::decode(message) {
            object::check(&address, &VERBS, Address::decode, Address::request);
        }
    });
}
