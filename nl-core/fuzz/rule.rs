// What must hold for any bytes that are taken for routing policy rules.

use nl_core::rule::{RTM_DELRULE, RTM_NEWRULE, Rule, RuleEvent, RuleVerb};

use super::messages::each_message;
use super::object;

pub(crate) fn check(data: &[u8]) {
    each_message(data, &[RTM_NEWRULE, RTM_DELRULE], |message| {
        if let Ok(Some(event)) = RuleEvent::decode(message) {
            assert!(!format!("{event:?}").is_empty());
        }
        if let Ok(rule) = Rule::decode(message) {
            object::check(&rule, &[RuleVerb::Add, RuleVerb::Delete], Rule::decode, Rule::request);
        }
    });
}
