//! What iproute2 said on a real kernel, as kept in `tests/golden`: ours still says the same, and reads it.

#[path = "../golden/fdb.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod commands;
#[cfg(feature = "mdb")]
#[path = "../golden/mdb.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod mdb;
#[cfg(all(feature = "settings", feature = "vxlan"))]
#[path = "../golden/settings.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod settings;

use std::collections::BTreeSet;
use std::fs;

use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::message::{MessageRef, NLM_F_ACK};
use nl_testkit::oracle::{BytesOracle, Golden};

use self::commands::{FDB, FILE, Ours, lines};

fn golden() -> Golden {
    Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn ours_are_the_requests_that_iproute2_sent() {
    let golden = golden();
    let mut wrong = Vec::new();
    for line in lines() {
        let ours = line.ours.request(&golden.numbers).unwrap();
        let command = format!("bridge {}", line.command);
        match golden.request(&command) {
            Some(theirs) => {
                wrong.extend(line.compare(&ours, theirs).err().map(|e| format!("`{command}`: {e}")))
            }
            None => {
                wrong.push(format!("`{command}` is not in {FILE}; write it again with NL_TESTKIT_BLESS=1"))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = lines().iter().map(|line| format!("bridge {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {FILE} that is tested nowhere");
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn the_entries_that_iproute2_sent_are_read_without_loss() {
    let golden = golden();
    let mut read = 0;
    for line in lines() {
        let Ours::Entry { verb, .. } = line.ours else { continue };
        let command = format!("bridge {}", line.command);
        let theirs = golden.request(&command).unwrap();
        let entry = FdbEntry::decode(MessageRef::parse(theirs).unwrap());
        if verb == FdbVerb::Get {
            assert!(entry.is_err(), "`{command}`: a question is no entry");
            continue;
        }
        // What was read, sent again, is what was read from.
        let again = entry.unwrap().request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
        let compared = BytesOracle::new(&FDB).compare(&again, theirs);
        compared.unwrap_or_else(|error| panic!("`{command}`: {error}"));
        read += 1;
    }
    assert!(read > 20, "only {read} entries");
}

#[test]
#[cfg(feature = "mdb")]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn ours_are_the_requests_that_bridge_mdb_sent() {
    let golden = Golden::read(&fs::read_to_string(mdb::FILE).unwrap()).unwrap();
    let mut known = Vec::new();
    let mut wrong = Vec::new();
    for line in mdb::lines() {
        let command = format!("bridge {}", line.command);
        let theirs =
            golden.request(&command).unwrap_or_else(|| panic!("`{command}` is not in {}", mdb::FILE));
        let compared = line.compare(&line.request(&golden.numbers).unwrap(), theirs);
        wrong.extend(compared.err().map(|error| format!("`{command}`: {error}")));
        known.push(command);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_whole(&golden, &known);
}

#[test]
#[cfg(all(feature = "settings", feature = "vxlan"))]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn ours_are_the_requests_that_ip_link_and_bridge_link_sent() {
    let golden = Golden::read(&fs::read_to_string(settings::FILE).unwrap()).unwrap();
    let mut known = Vec::new();
    let mut wrong = Vec::new();
    for line in settings::lines() {
        let command = line.command;
        let theirs =
            golden.request(command).unwrap_or_else(|| panic!("`{command}` is not in {}", settings::FILE));
        let compared = line.compare(&line.request(&golden.numbers).unwrap(), theirs);
        wrong.extend(compared.err().map(|error| format!("`{command}`: {error}")));
        known.push(command.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_whole(&golden, &known);
}

/// Every command of the file is tested.
#[cfg(any(feature = "mdb", all(feature = "settings", feature = "vxlan")))]
fn is_whole(golden: &Golden, known: &[String]) {
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| &request.command).collect();
    assert_eq!(kept, known.iter().collect(), "a command that is tested nowhere");
}
