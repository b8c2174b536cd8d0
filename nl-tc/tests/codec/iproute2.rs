//! The requests that `tc` sent on a real machine, stored in `tests/golden`: the crate sends the same and decodes them.

use std::collections::BTreeSet;
use std::fs;

use nl_core::message::MessageRef;
use nl_tc::class::Class;
use nl_tc::qdisc::Qdisc;
use nl_testkit::oracle::Golden;

use crate::tables::{self, DEV, Habit, Line, verbs};

fn golden(name: &str) -> Golden {
    Golden::read(&fs::read_to_string(tables::golden(name)).unwrap()).unwrap()
}

fn check(name: &str, lines: Vec<Line>) {
    let golden = golden(name);
    let files = ["classes", "qdiscs", "verbs"].map(self::golden);
    let sent = |command| files.iter().find_map(|file| file.request(command)).unwrap();
    let habits = Habit::ALL.map(|(habit, command)| habit.is_in(sent(command)).then_some(habit));
    let habits: Vec<_> = habits.into_iter().flatten().collect();
    let mut wrong = Vec::new();
    let stored: Vec<_> = lines.iter().filter(|line| line.stored).collect();
    for line in &stored {
        let ours = (line.ours)(golden.numbers[DEV]).encoded().unwrap().to_vec();
        match golden.request(&line.command) {
            Some(theirs) => {
                let compared = line.compare(&ours, theirs, &habits);
                wrong.extend(compared.err().map(|error| format!("`{}`: {error}", line.command)));
            }
            None => wrong.push(format!(
                "`{}` is not in {name}.hex; write it again with NL_TESTKIT_BLESS=1",
                line.command
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = stored.iter().map(|line| &line.command).collect();
    let there: BTreeSet<_> = golden.requests.iter().map(|request| &request.command).collect();
    assert_eq!(there, known, "a command in {name}.hex that is tested nowhere");
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn requests_equal_those_of_tc() {
    check("classes", tables::class_lines());
    check("qdiscs", tables::qdisc_lines());
    check("size_tables", tables::size_table_lines());
    check("verbs", verbs::lines().into_iter().map(|verb| verb.line).collect());
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are of a little-endian machine")]
fn requests_of_tc_decode_like_ours() {
    let mut read = 0;
    let mut compare = |golden: &Golden, line: &Line, decode: &dyn Fn(MessageRef<'_>) -> String| {
        // Values that differ on purpose, and options that `tc` does not send.
        let apart = ["netem delay 1us", "tbf rate 40gbit burst 1mb limit 10mb", "1: sfq"];
        let cut = line.of_habits.iter().any(|(habit, _)| *habit == Habit::CutsBursts);
        if !line.stored || cut || apart.iter().any(|words| line.command.ends_with(words)) {
            return;
        }
        let ours = (line.ours)(golden.numbers[DEV]).encoded().unwrap().to_vec();
        let theirs = golden.request(&line.command).unwrap();
        let [ours, theirs] = [&ours[..], theirs].map(|bytes| decode(MessageRef::parse(bytes).unwrap()));
        assert_eq!(theirs, ours, "{}", line.command);
        read += 1;
    };
    let classes = golden("classes");
    for line in tables::class_lines() {
        compare(&classes, &line, &|message| format!("{:?}", Class::decode(message).unwrap()));
    }
    let qdiscs = golden("qdiscs");
    for line in tables::qdisc_lines() {
        compare(&qdiscs, &line, &|message| format!("{:?}", Qdisc::decode(message).unwrap()));
    }
    let size_tables = golden("size_tables");
    for line in tables::size_table_lines() {
        compare(&size_tables, &line, &|message| format!("{:?}", Qdisc::decode(message).unwrap()));
    }
    assert!(read > 100, "only {read} lines");
}
