//! What iproute2 said on a real kernel, as kept in `tests/golden`: ours still says the same.

#[path = "../golden/vlans.rs"]
#[expect(dead_code, reason = "the kernel tests send the commands too")]
mod commands;

use std::collections::BTreeSet;
use std::fs;

use nl_testkit::oracle::Golden;

use self::commands::{FILE, lines};

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn ours_are_the_requests_that_iproute2_sent() {
    let golden = Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for line in lines() {
        let ours = line.request(&golden.numbers).unwrap();
        let command = format!("bridge {}", line.command);
        match golden.request(&command) {
            Some(theirs) => {
                wrong.extend(line.compare(&ours, theirs).err().map(|e| format!("`{command}`: {e}")));
            }
            None => wrong.push(format!("`{command}` is not in {FILE}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = lines().iter().map(|line| format!("bridge {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {FILE} that is tested nowhere");
}
