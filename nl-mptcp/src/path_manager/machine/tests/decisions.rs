//! Decisions that fail, and the number of running decisions.

use super::*;
use crate::path_manager::counters::{Counters, SubflowCounters};
use crate::subflow::Subflow;

#[test]
fn impossible_decision_is_reported_as_failed() {
    let stray = |event: &PathEvent, plan: &mut Plan<'_>| {
        if *event == PathEvent::Synced {
            plan.withdraw(Token::new(77), 5);
            plan.destroy(Token::new(1), local(3, 1), far(3, 2));
        }
    };
    let mut world = World::new(stray);
    world.kernel.connect(0, false);
    for _ in 0..4 {
        world.list();
    }
    let mut failed = Vec::new();
    while let Some(report) = world.machine.report() {
        if let Report::Failed { error, .. } = report {
            failed.push(error.to_string());
        }
    }
    let stray = "withdraw address id 5 token 0000004d: the connection does not exist";
    assert!(failed[0].contains(stray), "{failed:?}");
    assert!(failed[1].contains("no such subflow"), "{failed:?}");
    assert_eq!(failed.len(), 2);
}

#[test]
fn io_error_while_destroying_keeps_the_subflow_in_the_table() {
    let io = std::io::Error::from_raw_os_error(2).into();
    for (error, errno, left) in [(kernel_refusal(Errno::ENOENT), Some(Errno::ENOENT), 0), (io, None, 1)] {
        let (sender, failed) = std::sync::mpsc::channel();
        let mut world = World::new(move |event: &PathEvent, plan: &mut Plan<'_>| {
            if let PathEvent::Failed { errno, .. } = event {
                sender.send(*errno).unwrap();
            }
            if let PathEvent::Established { token } = *event {
                let (local, remote) = plan.table().connection(token).unwrap().subflows[0].ends();
                plan.destroy(token, local, remote);
            }
        });
        world.kernel.connect(0, false);
        world.kernel.act(1, 0, 0);
        (0..4).for_each(|_| world.list());
        let (number, _) = world.machine.start().unwrap();
        world.machine.finished(number, Err(error));
        assert_eq!(world.machine.table().connections().next().unwrap().subflows.len(), left);
        assert_eq!(failed.try_recv().unwrap(), errno, "the policy gets the kernel's number only");
    }
}

/// The event about a subflow comes before the answer to its creation, and the connection ends between the two.
#[test]
fn event_before_the_answer_is_the_only_outcome_of_a_creation() {
    for established in [true, false] {
        let mut world = World::new(|event: &PathEvent, plan: &mut Plan<'_>| {
            if let PathEvent::Established { token } = *event {
                plan.create(token, Subflow::new(local(1, 0), far(0, 80)));
            }
        });
        world.kernel.connect(0, false);
        world.kernel.act(1, 0, 0);
        (0..4).for_each(|_| world.list());
        world.step(16, 0, 255, true);
        assert_eq!(world.answers.len(), 1);
        world.kernel.resolve(Token::new(1), established);
        world.kernel.act(7, 0, 0);
        while !world.kernel.buffer.is_empty() {
            world.deliver();
        }
        world.step(18, 0, 0, true);
        assert!(world.answers.is_empty());
        assert_eq!(world.outcomes, 1, "established: {established}");
    }
}

/// A list lacks the subflow, and an event from before it says once more that it is established.
#[test]
fn destruction_that_waits_is_done_when_the_subflow_is_gone() {
    let mut world = World::new(|event: &PathEvent, plan: &mut Plan<'_>| {
        if let PathEvent::SubflowEstablished { token, subflow } = event {
            plan.destroy(*token, subflow.ends().0, subflow.ends().1);
        }
    });
    world.kernel.connect(0, false);
    world.kernel.act(1, 0, 0);
    world.settle();
    world.kernel.act(4, 0, 1);
    let joined = world.kernel.buffer.clone();
    world.deliver();
    let waits = |world: &World<_>| world.machine.work.waiting.values().map(VecDeque::len).sum::<usize>();
    assert_eq!((waits(&world), world.outcomes), (1, 0));
    let ends = *world.kernel.connections[&Token::new(1)]
        .subflows
        .keys()
        .find(|ends| ends.1.ip() == far(1, 0).ip())
        .unwrap();
    world.kernel.close_subflow(Token::new(1), ends);
    world.kernel.buffer = joined;
    world.machine.lost();
    (0..4).for_each(|_| world.list());
    world.read();
    assert_eq!((waits(&world), world.outcomes), (0, 1));
    world.deliver();
    assert_eq!(waits(&world), 1, "it is decided again");
}

#[test]
fn decisions_run_one_per_connection_up_to_max_in_flight() {
    let (mut world, _) = world(());
    world.machine.policy = ();
    let mut work = Work { max_in_flight: 2, ..Work::default() };
    for (number, token) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        work.add(number, Decision::Withdraw { token: Token::new(token), id: AddressId::new(1) });
    }
    let mut started = Vec::new();
    let next = |work: &mut Work| work.start().map(|(number, _)| number);
    started.extend(next(&mut work));
    started.extend(next(&mut work));
    assert_eq!((started.as_slice(), next(&mut work)), (&[0, 2][..], None));
    work.finished(0).unwrap();
    assert_eq!((next(&mut work), next(&mut work)), (Some(3), None));
    work.finished(3).unwrap();
    assert_eq!((next(&mut work), next(&mut work)), (Some(1), None));
    work.forget(Token::new(1));
    assert!(work.waiting.is_empty());
}

/// What was reported, by kind.
fn reported(world: &mut World<impl Policy>) -> Vec<&'static str> {
    let kind = |report: Report| match report {
        Report::Done(_) => "done",
        Report::Ended(_) => "ended",
        Report::Event(_) => "event",
        Report::Failed { .. } => "failed",
        Report::Idle(_) => "idle",
        Report::Pending(_) => "pending",
    };
    std::iter::from_fn(|| world.machine.report()).map(kind).collect()
}

/// A connection of this side, and a subflow whose first packet was sent.
fn trying() -> (World<impl Policy>, Token) {
    let (mut world, token) = world(|event: &PathEvent, plan: &mut Plan<'_>| {
        if matches!(event, PathEvent::AddressAdded { .. }) {
            plan.create(Token::new(1), Subflow::new(local(1, 0), far(0, 80)));
        }
    });
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
    let (number, decision) = world.machine.start().unwrap();
    let outcome = world.kernel.execute(&decision, true);
    world.machine.finished(number, outcome);
    assert_eq!(reported(&mut world), ["event", "pending"]);
    (world, token)
}

#[test]
fn created_subflow_is_done_when_it_is_established() {
    let (mut world, token) = trying();
    world.kernel.resolve(token, true);
    world.deliver();
    assert_eq!(reported(&mut world), ["done", "event"]);
}

#[test]
fn created_subflow_that_is_closed_before_it_is_established_has_failed() {
    let (mut world, token) = trying();
    world.kernel.resolve(token, false);
    world.deliver();
    let Some(Report::Failed { decision: Decision::Create { .. }, error }) = world.machine.report() else {
        panic!("not reported as failed");
    };
    assert_eq!(error.errno(), Some(Errno::ECONNABORTED), "{error}");
    assert!(error.to_string().starts_with("create subflow 10.0.1.1:"), "{error}");
    assert_eq!(reported(&mut world), ["event"]);
    // One that was established does not fail when it is closed.
    let (mut world, token) = trying();
    world.kernel.resolve(token, true);
    world.deliver();
    let ends = *world.kernel.connections[&token].subflows.keys().last().unwrap();
    world.kernel.close_subflow(token, ends);
    world.deliver();
    assert_eq!(reported(&mut world), ["done", "event", "event"]);
}

/// The event may come before the kernel's answer.
#[test]
fn subflow_established_before_the_answer_is_not_pending() {
    let (mut world, token) = world(|event: &PathEvent, plan: &mut Plan<'_>| {
        if matches!(event, PathEvent::AddressAdded { .. }) {
            plan.create(Token::new(1), Subflow::new(local(1, 0), far(0, 80)));
        }
    });
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
    let (number, decision) = world.machine.start().unwrap();
    let outcome = world.kernel.execute(&decision, true);
    world.kernel.resolve(token, true);
    world.deliver();
    world.machine.finished(number, outcome);
    assert_eq!(reported(&mut world), ["event", "done", "event"]);
}

#[test]
fn decision_about_a_connection_that_ended_is_not_a_failure() {
    // The connection is closed before the subflow has an outcome.
    let (mut world, token) = trying();
    world.kernel.connections.remove(&token);
    world.machine.input(Input::Mptcp(MptcpEvent::Closed { token }));
    assert_eq!(reported(&mut world), ["ended", "event"]);
    // The kernel says that it is closed, before it sends the event.
    let (mut world, token) = trying();
    world.kernel.resolve(token, true);
    world.deliver();
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(3, 0).ip(), kind });
    let (number, _) = world.machine.start().unwrap();
    world.machine.finished(number, Err(kernel_refusal(Errno::ENOTCONN)));
    assert_eq!(reported(&mut world), ["done", "event", "event", "ended"]);
    assert_eq!(world.machine.ended(), 1);
}

#[test]
fn creation_with_a_known_fault_is_refused_before_the_kernel_is_asked() {
    let (mut world, token) = world(|event: &PathEvent, plan: &mut Plan<'_>| {
        if matches!(event, PathEvent::AddressAdded { .. }) {
            let token = Token::new(1);
            plan.create(token, Subflow::new(local(1, 0), far(0, 80)).id(7));
            // Nobody has the address.
            plan.create(token, Subflow::new(local(3, 0), far(0, 80)).id(7));
        }
    });
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
    let mut refused = std::iter::from_fn(|| world.machine.report()).filter_map(|report| match report {
        Report::Failed { error, .. } => Some(error),
        _ => None,
    });
    let error = refused.next().unwrap();
    assert!(error.is_usage() && error.to_string().contains("forget its id"), "{error}");
    assert!(refused.next().is_none());
    assert_eq!(world.machine.table().connection(token).unwrap().subflows.len(), 2);
}

#[test]
fn full_mesh_binds_subflows_to_the_interface_of_their_address() {
    let index = |world: &World<FullMesh>, token| {
        let connection = world.machine.table().connection(token).unwrap();
        connection.subflows.iter().find(|s| s.local.ip() == local(1, 0).ip()).unwrap().index
    };
    let (bound, token) = world(FullMesh::new());
    assert_eq!(index(&bound, token), Some(2));
    let (unbound, token) = world(FullMesh::new().unbound());
    assert_eq!(index(&unbound, token), None);
}

/// What is decided about the one connection, all of it executed.
fn executed(world: &mut World<impl Policy>) -> Vec<Decision> {
    let mut all = Vec::new();
    while let Some((number, decision)) = world.machine.start() {
        let outcome = world.kernel.execute(&decision, true);
        world.machine.finished(number, outcome);
        all.push(decision);
    }
    all
}

/// An initial subflow is destroyed first, because the kernel would send the withdrawal on it.
#[test]
fn address_of_an_interface_that_went_down_is_withdrawn() {
    for (index, first) in [(2, "withdraw"), (1, "destroy")] {
        let (mut world, token) = world((FollowInterfaces::new(), FullMesh::new()));
        let gone = local(u8::try_from(index - 1).unwrap(), 0).ip();
        let subflows = &world.kernel.connections[&token].subflows;
        let (ends, sub) = subflows.iter().find(|(ends, _)| ends.0.ip() == gone).unwrap();
        let destroy = Decision::Destroy { token, local: ends.0, remote: ends.1 };
        let withdraw = Decision::Withdraw { token, id: sub.local_id };
        let expected = if first == "destroy" { [destroy, withdraw] } else { [withdraw, destroy] };
        world.machine.input(Input::Link { index, name: format!("eth{index}"), up: false });
        assert_eq!(executed(&mut world), expected);
    }
}

#[test]
fn destroying_a_subflow_that_the_peer_closed_first_is_done() {
    let (mut world, token) = world(|event: &PathEvent, plan: &mut Plan<'_>| {
        if let PathEvent::AddressAdded { .. } = event {
            let (local, remote) = plan.table().connection(Token::new(1)).unwrap().subflows[0].ends();
            plan.destroy(Token::new(1), local, remote);
        }
    });
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
    let (number, _) = world.machine.start().unwrap();
    let ends = *world.kernel.connections[&token].subflows.keys().next().unwrap();
    world.kernel.close_subflow(token, ends);
    world.deliver();
    world.machine.finished(number, Err(kernel_refusal(Errno::ESRCH)));
    assert_eq!(reported(&mut world), ["event", "event", "done"]);
}

#[test]
fn idle_path_manager_says_so_until_that_changes() {
    let mut machine = Machine::new((), 4, true, clock());
    let mut listed = |idle| {
        machine.lost();
        assert!(machine.listing());
        machine.listed(Snapshot { idle, ..Snapshot::default() });
        let report = |report: Report| match report {
            Report::Idle(idle) => Some(idle),
            _ => None,
        };
        let reports = std::iter::from_fn(|| machine.report()).filter_map(report).collect::<Vec<_>>();
        assert_eq!(machine.idle(), idle);
        reports
    };
    assert_eq!(listed(Some(Idle::KernelPathManager)), [Idle::KernelPathManager]);
    assert_eq!(listed(Some(Idle::KernelPathManager)), []);
    assert_eq!(listed(Some(Idle::Disabled)), [Idle::Disabled]);
    assert_eq!(listed(None), []);
}

#[test]
fn policy_is_woken_when_the_time_it_asked_for_has_come() {
    let (sender, woken) = std::sync::mpsc::channel();
    let (mut world, _) = world(move |event: &PathEvent, plan: &mut Plan<'_>| match event {
        PathEvent::Established { .. } => plan.wake_after(Duration::from_secs(5)),
        PathEvent::Woken => sender.send(plan.now()).unwrap(),
        _ => {}
    });
    let deadline = world.machine.deadline().unwrap();
    assert!(!world.machine.tick(deadline - Duration::from_millis(1)));
    assert!(world.machine.tick(deadline));
    assert_eq!((woken.try_recv().unwrap(), world.machine.deadline()), (deadline, None));
    world.machine.wake();
    assert!(woken.try_recv().is_ok());
}

#[test]
fn counters_of_a_watched_connection_are_in_the_table_until_it_is_closed() {
    let (sender, counted) = std::sync::mpsc::channel();
    let (mut world, token) = world(move |event: &PathEvent, plan: &mut Plan<'_>| match *event {
        PathEvent::Established { token } => plan.watch(token),
        PathEvent::Counted { token } => {
            sender.send(plan.table().connection(token).unwrap().clone()).unwrap();
        }
        _ => {}
    });
    assert_eq!(world.machine.count(), Some(BTreeSet::from([token])));
    let (local, remote) = world.machine.table().connection(token).unwrap().subflows[0].ends();
    let subflow = SubflowCounters { rtt: Duration::from_millis(7), ..SubflowCounters::default() };
    let connection = Counters { bytes_sent: 9, ..Counters::default() };
    let read = Counted { connection, subflows: vec![(local, remote, subflow)] };
    world.machine.counted(BTreeMap::from([(token, read.clone()), (Token::new(77), read)]));
    let state = counted.try_recv().unwrap();
    assert_eq!((state.counters, state.subflows[0].counters), (Some(connection), Some(subflow)));
    assert!(counted.try_recv().is_err(), "of a connection that does not exist");
    assert!(world.machine.deadline().is_some());
    world.machine.input(Input::Mptcp(MptcpEvent::Closed { token }));
    assert_eq!(world.machine.deadline(), None);
}

/// An event of an older subflow is not about one that is not created yet.
#[test]
fn waiting_creation_is_not_closed_by_a_late_event() {
    let (mut world, token) = world(|event: &PathEvent, plan: &mut Plan<'_>| {
        if matches!(event, PathEvent::AddressAdded { .. }) {
            plan.create(Token::new(1), Subflow::new(local(1, 0), far(0, 80)).id(7));
        }
    });
    let kind = Some(EVERYWHERE);
    world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
    let old = Sub {
        local_id: AddressId::new(7),
        remote_id: AddressId::new(9),
        backup: false,
        backup_by_peer: false,
        trying: false,
        created_here: true,
    };
    let late = Kernel::subflow_event(token, (local(1, 4000), far(0, 80)), old);
    world.machine.input(Input::Mptcp(MptcpEvent::SubflowClosed(late)));
    assert_eq!(reported(&mut world), ["event"]);
    assert_eq!(world.machine.table().connection(token).unwrap().subflows.len(), 2);
}
