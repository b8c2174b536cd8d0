//! Our requests equal those of iproute2 that were recorded in `tests/golden`.

#[path = "../golden/macsec.rs"]
mod commands;

use std::collections::BTreeSet;
use std::fs;

use nl_testkit::oracle::Golden;

use self::commands::{FILE, PEER, lines, peer};

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn requests_equal_golden_iproute2_requests() {
    assert_eq!(peer().to_string(), PEER);
    let golden = Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for line in lines() {
        let ours = line.request(&golden.numbers).unwrap();
        let command = format!("ip macsec {}", line.command);
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
    let known: BTreeSet<_> = lines().iter().map(|line| format!("ip macsec {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {FILE} that is tested nowhere");
}
