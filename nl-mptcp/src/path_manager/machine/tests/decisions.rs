//! Decisions that fail, and the number of running decisions.

use super::*;

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
