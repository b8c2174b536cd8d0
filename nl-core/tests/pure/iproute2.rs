//! What iproute2 said on a real kernel, as kept in `tests/golden`: ours still says the same.
#![cfg(target_endian = "little")]

use std::collections::BTreeSet;
use std::fs;

use nl_core::Request;
use nl_core::message::MessageRef;
use nl_core::message::NLM_F_ACK;
use nl_testkit::oracle::{BytesOracle, Golden};

use crate::golden::Table;

fn ours_are_the_requests_of_iproute2(table: &Table) {
    let golden = Golden::read(&fs::read_to_string(table.file).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for line in &table.lines {
        let mut ours = (line.codec)(&golden.numbers);
        let command = format!("ip {}", line.command);
        match golden.request(&command) {
            Some(theirs) => {
                let compared = table.compare(line, ours.encoded().unwrap(), theirs);
                wrong.extend(compared.err().map(|e| format!("`{command}`: {e}")));
            }
            None => wrong.push(format!(
                "`{command}` is not in {}; write it again with NL_TESTKIT_BLESS=1",
                table.file
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = table.lines.iter().map(|line| format!("ip {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {} that is tested nowhere", table.file);
}

/// Reads each request that makes an object, and sends what was read: `again` does both, or says `None` to another request.
fn what_iproute2_sent_is_read_without_loss(
    table: &Table,
    again: impl Fn(MessageRef<'_>) -> Option<Request>,
) -> usize {
    let golden = Golden::read(&fs::read_to_string(table.file).unwrap()).unwrap();
    let mut read = 0;
    for request in &golden.requests {
        let Some(again) = again(MessageRef::parse(&request.message).unwrap()) else { continue };
        let again = again.with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
        let compared = BytesOracle::new(table.shape).compare(&again, &request.message);
        compared.unwrap_or_else(|error| panic!("`{}`: {error}", request.command));
        read += 1;
    }
    read
}

#[cfg(feature = "address")]
mod address {
    use nl_core::address::{Address, AddressVerb, RTM_NEWADDR};
    use nl_core::message::NLM_F_REPLACE;

    use super::*;
    use crate::golden::address::table;

    #[test]
    fn address_requests_equal_those_of_iproute2() {
        ours_are_the_requests_of_iproute2(&table());
    }

    #[test]
    fn addresses_that_iproute2_sent_are_read_without_loss() {
        let read = what_iproute2_sent_is_read_without_loss(&table(), |message| {
            let verb = match message.kind() {
                RTM_NEWADDR if message.flags() & NLM_F_REPLACE != 0 => AddressVerb::Replace,
                RTM_NEWADDR => AddressVerb::Add,
                _ => return None,
            };
            Some(Address::decode(message).unwrap().request(verb))
        });
        assert!(read > 8, "only {read}");
    }
}

#[cfg(feature = "rule")]
mod rule {
    use nl_core::rule::{RTM_NEWRULE, Rule, RuleVerb};

    use super::*;
    use crate::golden::rule::table;

    #[test]
    fn rule_requests_equal_those_of_iproute2() {
        ours_are_the_requests_of_iproute2(&table());
    }

    #[test]
    fn rules_that_iproute2_sent_are_read_without_loss() {
        let read = what_iproute2_sent_is_read_without_loss(&table(), |message| {
            let rule = (message.kind() == RTM_NEWRULE).then(|| Rule::decode(message).unwrap())?;
            // iproute2 writes an empty attribute for "from all".
            rule.src.or(rule.dst).map(|_| rule.request(RuleVerb::Add))
        });
        assert!(read >= 5, "only {read}");
    }
}

#[cfg(feature = "neighbour")]
mod neighbour {
    use nl_core::message::{NLM_F_CREATE, NLM_F_REPLACE};
    use nl_core::neighbour::{Neighbour, NeighbourVerb, RTM_NEWNEIGH};

    use super::*;
    use crate::golden::neighbour::table;

    #[test]
    fn neighbour_requests_equal_those_of_iproute2() {
        ours_are_the_requests_of_iproute2(&table());
    }

    #[test]
    fn neighbours_that_iproute2_sent_are_read_without_loss() {
        let read = what_iproute2_sent_is_read_without_loss(&table(), |message| {
            let verb = match message.flags() & (NLM_F_CREATE | NLM_F_REPLACE) {
                _ if message.kind() != RTM_NEWNEIGH => return None,
                NLM_F_CREATE => NeighbourVerb::Add,
                NLM_F_REPLACE => NeighbourVerb::Change,
                _ => NeighbourVerb::Replace,
            };
            Some(Neighbour::decode(message).unwrap().request(verb))
        });
        assert!(read > 8, "only {read}");
    }
}
