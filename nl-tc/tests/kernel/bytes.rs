//! The requests of the crate and of `tc` for the same command, compared byte by byte.
//!
//! This needs only the right to trace a child: the requests are read from `tc` itself, whether or not the kernel accepts them.
//! Those of the crate come from the codec.

use std::collections::BTreeMap;

use nl_core::message::NLM_F_ECHO;
use nl_tc::action::RTM_GETACTION;
use nl_tc::{RTM_NEWQDISC, RTM_NEWTCLASS};
use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use crate::support::DEV;
use crate::tables::{self, Habit, Line, differences, filters, verbs};

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 180)]
async fn class_requests_equal_those_of_tc(lab: Lab) -> Result {
    check(&lab, "classes", tables::class_lines()).await
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 180)]
async fn qdisc_requests_equal_those_of_tc(lab: Lab) -> Result {
    check(&lab, "qdiscs", tables::qdisc_lines()).await
}

/// Without a golden file: `tc` reads them from its own files, or its releases write them in different ways.
#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 180)]
async fn later_qdisc_requests_equal_those_of_tc(lab: Lab) -> Result {
    check_alone(&lab, tables::later_qdisc_lines()).await
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 180)]
async fn filter_requests_equal_those_of_tc(lab: Lab) -> Result {
    check_alone(&lab, filters::lines()).await
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 60)]
async fn shared_action_requests_equal_those_of_tc(lab: Lab) -> Result {
    check_alone(&lab, filters::shared()).await
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 60)]
async fn size_table_requests_equal_those_of_tc(lab: Lab) -> Result {
    check(&lab, "size_tables", tables::size_table_lines()).await
}

#[nl_testkit::test(needs(link = "veth", tool = "tc"), timeout = 120)]
async fn verb_requests_equal_those_of_tc(lab: Lab) -> Result {
    check(&lab, "verbs", verbs::lines().into_iter().map(|verb| verb.line).collect()).await
}

/// Both requests go to the kernel. The crate's request comes from the handle and is captured by nlmon.
#[nl_testkit::test(needs(link = "nlmon", link = "veth", tool = "tc"), timeout = 120)]
async fn handle_sends_the_requests_of_tc(lab: Lab) -> Result {
    let (node, habits) = device(&lab).await?;
    let tc = crate::support::open(&node).await?;
    let mut recording = node.record().await?;
    let (mut compared, mut wrong) = (0, Vec::new());
    for verbs::VerbLine { line, handle } in verbs::lines() {
        let Some(send) = handle else { continue };
        recording.take()?;
        // Other tests check whether the kernel accepts it. This test checks the request.
        send(&tc).await;
        let mut ours = recording.take()?;
        // The look-ups of a verb are other messages.
        ours.retain(|sent| of_tc(sent) && sent.kind() == (line.ours)(1).kind());
        let [ours] = &ours[..] else {
            wrong.push(format!("`{}`: ours is not one request: {ours:?}", line.command));
            continue;
        };
        let ours = without_echo(&ours.message);
        wrong.extend(differs(&line, &ours, &requests(&node, &line.command).await?, &habits));
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 20, "only {compared} lines");
    Ok(())
}

/// The handle asks the kernel to report the class that it adds.
#[cfg(test)]
fn without_echo(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if u16::from_ne_bytes([message[4], message[5]]) == RTM_NEWTCLASS {
        let flags = u16::from_ne_bytes([message[6], message[7]]) & !NLM_F_ECHO;
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
    }
    message
}

/// A difference listed for a line belongs to an existing line.
#[nl_testkit::test]
fn listed_differences_belong_to_existing_lines(_lab: Lab) {
    let (classes, qdiscs) = (tables::classes(), [tables::qdiscs(), tables::later_qdiscs()].concat());
    for (line, _) in differences::LINES.iter().chain(differences::LINES_OF_CUT_BURSTS) {
        let is_class = classes.iter().any(|(words, config)| *line == format!("{} {words}", config.kind()));
        assert!(is_class || qdiscs.iter().any(|(words, _)| words == line), "{line}");
    }
}

#[cfg(test)]
async fn check(lab: &Lab, golden: &str, lines: Vec<Line>) -> Result {
    let (node, habits) = device(lab).await?;
    let index = node.index_of(DEV).await?;
    let numbers = BTreeMap::from([(DEV.to_owned(), index)]);
    let mut blessing =
        Blessing::new(tables::golden(golden), &lab.iproute2_version().await?).numbers(&numbers);
    let mut wrong = Vec::new();
    for line in lines {
        let theirs = requests(&node, &line.command).await?;
        wrong.extend(differs(&line, (line.ours)(index).encoded()?, &theirs, &habits));
        for request in theirs.iter().filter(|_| line.stored) {
            blessing.add(&line.command, &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Compares with the `tc` of the machine, and stores nothing.
#[cfg(test)]
async fn check_alone(lab: &Lab, lines: Vec<Line>) -> Result {
    let (node, habits) = device(lab).await?;
    let index = node.index_of(DEV).await?;
    let mut wrong = Vec::new();
    for line in lines {
        let theirs = requests(&node, &line.command).await?;
        wrong.extend(differs(&line, (line.ours)(index).encoded()?, &theirs, &habits));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[cfg(test)]
fn differs(line: &Line, ours: &[u8], theirs: &[Sent], habits: &[Habit]) -> Option<String> {
    let [theirs] = theirs else {
        return Some(format!("`{}`: tc sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(ours, &theirs.message, habits).err()?.to_string();
    // Rate tables are long, and the kernel does not read them.
    let shown = mismatch.lines().map(|line| line.chars().take(200).collect::<String>() + "\n");
    Some(format!("`{}`: {}", line.command, shown.take(70).collect::<String>()))
}

/// The traffic control requests of `tc`.
#[cfg(test)]
async fn requests(node: &Node, command: &str) -> Result<Vec<Sent>> {
    let (_, mut sent) = node.requests_of(command).await?;
    sent.retain(of_tc);
    Ok(sent)
}

#[cfg(test)]
fn of_tc(sent: &Sent) -> bool {
    sent.protocol == 0 && (RTM_NEWQDISC..=RTM_GETACTION).contains(&sent.kind())
}

/// A node with a device, and the habits of its `tc`.
#[cfg(test)]
async fn device(lab: &Lab) -> Result<(Node, Vec<Habit>)> {
    lab.quiet();
    let [node, _peer] = lab.wire("a", "b").await?;
    let mut habits = Vec::new();
    for (habit, command) in Habit::ALL {
        let [sent] = &requests(&node, command).await?[..] else { return Err("not one request".into()) };
        habits.extend(habit.is_in(&sent.message).then_some(habit));
    }
    eprintln!("{}: {habits:?}", lab.iproute2_version().await?);
    Ok((node, habits))
}
