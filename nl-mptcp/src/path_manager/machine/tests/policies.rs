//! What the policies of this crate decide, on the simulated kernel.

use std::sync::mpsc;

use super::*;
use crate::endpoint::EndpointFlags;
use crate::limits::Limits;
use crate::path_manager::{Guard, Guarded};
use crate::subflow::Subflow;

/// The time of the machine, after this much more.
fn later(world: &mut World<impl Policy>, time: Duration) {
    let now = world.machine.clock.now + time;
    world.machine.tick(now);
}

/// Refuses the next decision, which creates a subflow.
fn refuse_one(world: &mut World<impl Policy>) {
    let (number, decision) = world.machine.start().unwrap();
    assert!(matches!(decision, Decision::Create { .. }), "{decision}");
    world.machine.finished(number, Err(kernel_refusal(Errno::ENETUNREACH)));
}

#[test]
fn full_mesh_tries_a_failed_subflow_again_after_longer_and_longer_times() {
    let second = Duration::from_secs(1);
    let (mut world, token) = world(FullMesh::new().retry(second, 3 * second));
    assert_eq!(addresses(&world, token), [0, 1]);
    let ends = *world.kernel.connections[&token].subflows.keys().last().unwrap();
    let mut closed = Kernel::subflow_event(token, ends, world.kernel.connections[&token].subflows[&ends]);
    closed.error = Some(Errno::ETIMEDOUT);
    world.kernel.connections.get_mut(&token).unwrap().subflows.remove(&ends);
    world.machine.input(Input::Mptcp(MptcpEvent::SubflowClosed(closed)));
    for wait in [1, 2, 3, 3] {
        // Other events do not hasten it.
        world.machine.input(Input::Link { index: 9, name: "eth9".into(), up: true });
        world.machine.input(Input::LinkDeleted { index: 9 });
        assert!(world.machine.start().is_none());
        later(&mut world, wait * second - Duration::from_millis(20));
        assert!(world.machine.start().is_none(), "too early");
        later(&mut world, Duration::from_millis(40));
        refuse_one(&mut world);
        // What was waited beyond the time.
        world.machine.clock.now -= Duration::from_millis(20);
    }
    // Its interface comes up: it is tried at once.
    world.machine.input(Input::Link { index: 2, name: "eth2".into(), up: false });
    world.machine.input(Input::Link { index: 2, name: "eth2".into(), up: true });
    let (number, decision) = world.machine.start().unwrap();
    let outcome = world.kernel.execute(&decision, true);
    world.machine.finished(number, outcome);
    world.settle();
    assert_eq!(addresses(&world, token), [0, 1]);
    world.assert_same();
}

#[test]
fn full_mesh_leaves_out_interfaces_and_connections() {
    for policy in [
        FullMesh::new().except(["eth2"]),
        FullMesh::new().only(["eth1"]),
        FullMesh::new().only(["eth1", "eth2"]).except(["eth2"]),
        FullMesh::new().when(|connection| connection.remote.port() != 80),
        FullMesh::new().at_most(1),
        FullMesh::new().except(["eth2*"]),
        FullMesh::new().only(["eth1*", "wlan*"]),
        FullMesh::new().network("10.0.0.0/24".parse().unwrap()),
        FullMesh::new().interface("eth1", EndpointFlags::SUBFLOW),
        FullMesh::new().interface("eth2", EndpointFlags::SIGNAL).interface("*", EndpointFlags::SUBFLOW),
    ] {
        let what = format!("{policy:?}");
        let (world, token) = world(policy);
        assert_eq!(addresses(&world, token), [0], "{what}");
    }
}

#[test]
fn full_mesh_announces_a_limited_number_of_addresses() {
    for (limit, announced) in [(0, 0), (1, 1), (8, 2)] {
        let mut world = World::new(FullMesh::new().addresses_at_most(limit));
        for index in [1, 2, 3] {
            let addresses = BTreeMap::from([(local(u8::try_from(index).unwrap() - 1, 0).ip(), EVERYWHERE)]);
            let name = format!("eth{index}");
            world.kernel.interfaces.insert(index, Interface { index, name, up: true, addresses });
        }
        world.kernel.connect(0, true);
        world.kernel.act(1, 0, 0);
        world.settle();
        let connection = world.machine.table().connection(Token::new(1)).unwrap();
        assert_eq!(connection.announced.len(), announced, "at most {limit}");
    }
}

#[test]
fn guard_vetoes_and_alters_decisions_of_the_policy_within() {
    let vetoed = Guarded::new(FullMesh::new(), |_: &Table, _: Decision| None);
    let (world_of_veto, token) = world(vetoed);
    assert_eq!(addresses(&world_of_veto, token), [0]);
    // The inner one makes it a backup, the outer one sees that and gives it an id.
    let backup = |_: &Table, decision: Decision| match decision {
        Decision::Create { token, subflow } => Some(Decision::Create { token, subflow: subflow.backup() }),
        other => Some(other),
    };
    let numbered = |_: &Table, decision: Decision| match decision {
        Decision::Create { token, subflow } if subflow.backup => {
            Some(Decision::Create { token, subflow: subflow.id(77) })
        }
        other => Some(other),
    };
    let within = (FollowInterfaces::new(), Guarded::new(FullMesh::new(), backup));
    let (world, token) = world(Guarded::new(within, numbered));
    let connection = world.machine.table().connection(token).unwrap();
    let second = connection.subflows.iter().find(|s| s.local.ip() == local(1, 0).ip()).unwrap();
    assert_eq!(second.local_id, AddressId::new(77));
    // A policy beside it is not guarded.
    let beside = |event: &PathEvent, plan: &mut Plan<'_>| {
        if let PathEvent::Established { token } = *event {
            plan.create(token, Subflow::new(local(1, 0), far(0, 80)));
        }
    };
    let (world, token) = self::world((Guarded::new(FullMesh::new(), |_: &Table, _: Decision| None), beside));
    assert_eq!(addresses(&world, token), [0, 1]);
}

const SUBFLOW: EndpointFlags = EndpointFlags::SUBFLOW;
const BACKUP: EndpointFlags = SUBFLOW.union(EndpointFlags::BACKUP);

/// Sees every decision, and lets it pass.
fn witness() -> (impl Guard, mpsc::Receiver<Decision>) {
    let (sender, seen) = mpsc::channel();
    let guard = move |_: &Table, decision: Decision| {
        sender.send(decision.clone()).unwrap();
        Some(decision)
    };
    (guard, seen)
}

/// The subflow from the second address.
fn second(world: &World<impl Policy>, token: Token) -> &SubflowState {
    let connection = world.machine.table().connection(token).unwrap();
    connection.subflows.iter().find(|s| s.local.ip() == local(1, 0).ip()).unwrap()
}

/// From the first packet on, where the kernel does that.
#[test]
fn subflows_of_an_interface_are_backups_by_its_rule_or_its_name() {
    let rules = || FullMesh::new().interface("eth2", BACKUP).interface("eth*", SUBFLOW);
    let named = || (FullMesh::new(), BackupOnMetered::new(["eth2*"]));
    for (at_once, policy) in [true, false].into_iter().flat_map(|at_once| {
        let both: [Box<dyn Policy>; 2] = [Box::new(rules()), Box::new(named())];
        both.map(|policy| (at_once, policy))
    }) {
        let (guard, seen) = witness();
        let mut world = World::new(Guarded::new(policy, guard));
        world.machine.table.binds_subflows = at_once;
        let (world, token) = begin(world);
        assert!(second(&world, token).backup);
        let first = &world.machine.table().connection(token).unwrap().subflows[0];
        assert!(!first.backup, "{first:?}");
        let decisions: Vec<_> = seen.try_iter().collect();
        assert!(matches!(&decisions[0], Decision::Create { subflow, .. } if subflow.backup == at_once));
        let later =
            decisions.iter().filter(|d| matches!(d, Decision::SetBackup { backup: true, .. })).count();
        assert_eq!((later, decisions.len()), if at_once { (0, 1) } else { (1, 2) }, "{decisions:?}");
    }
}

#[test]
fn later_policy_reviews_what_earlier_ones_decide() {
    struct NoneBySecond;
    impl Policy for NoneBySecond {
        fn decide(&mut self, _: &PathEvent, _: &mut Plan<'_>) {}

        fn review(&mut self, _: &Table, decision: Decision) -> Option<Decision> {
            let by_second = |d: &Decision| match d {
                Decision::Create { subflow, .. } => subflow.local.ip() == local(1, 0).ip(),
                _ => false,
            };
            Some(decision).filter(|decision| !by_second(decision))
        }
    }
    let (vetoed, token) = world((FullMesh::new(), NoneBySecond));
    assert_eq!(addresses(&vetoed, token), [0]);
    let (vetoed, token) = world((FullMesh::new(), (FollowInterfaces::new(), NoneBySecond)));
    assert_eq!(addresses(&vetoed, token), [0], "from within what comes later");
    let boxed: Box<dyn Policy> = Box::new(NoneBySecond);
    let (vetoed, token) =
        world(((FullMesh::new(), ()), Guarded::new(boxed, |_: &Table, d: Decision| Some(d))));
    assert_eq!(addresses(&vetoed, token), [0], "from a box, and a guarded policy");
    let (before, token) = world((NoneBySecond, FullMesh::new()));
    assert_eq!(addresses(&before, token), [0, 1]);
}

/// The first fails and the second is executed, or both fail: the table is what the kernel has.
#[test]
fn backup_flag_is_what_the_kernel_has_after_failures() {
    for outcomes in [[true, true], [true, false], [false, true], [false, false]] {
        let policy = |event: &PathEvent, plan: &mut Plan<'_>| {
            if matches!(event, PathEvent::AddressAdded { .. }) {
                let (local, remote) = plan.table().connection(Token::new(1)).unwrap().subflows[0].ends();
                plan.backup(Token::new(1), local, remote);
                plan.backup(Token::new(1), local, remote);
                plan.nobackup(Token::new(1), local, remote);
            }
        };
        let (mut world, token) = world(policy);
        let kind = Some(EVERYWHERE);
        world.machine.input(Input::Address { index: 1, address: local(2, 0).ip(), kind });
        for well in outcomes {
            let (number, decision) = world.machine.start().unwrap();
            let outcome = world.kernel.execute(&decision, well);
            world.machine.finished(number, outcome);
        }
        assert!(world.machine.start().is_none(), "a third decision");
        let kernel = world.kernel.connections[&token].subflows.values().next().unwrap().backup;
        let table = world.machine.table().connection(token).unwrap().subflows[0].backup;
        assert_eq!((kernel, table), (outcomes == [true, false], kernel), "{outcomes:?}");
    }
}

/// A policy before it makes them regular, in vain.
#[test]
fn metered_subflow_stays_a_backup() {
    let regular = |event: &PathEvent, plan: &mut Plan<'_>| {
        if let PathEvent::SubflowEstablished { token, subflow } = event {
            plan.nobackup(*token, subflow.local, subflow.remote);
        }
    };
    let (guard, seen) = witness();
    let policy = ((FullMesh::new(), regular), BackupOnMetered::new(["eth2"]));
    let (world, token) = world(Guarded::new(policy, guard));
    assert!(second(&world, token).backup);
    assert_eq!(seen.try_iter().count(), 1, "the creation and nothing more");
}

#[test]
fn exact_policy_replaces_what_another_one_did() {
    let replaced = |policy: FullMesh| {
        let (mut world, token) = world(FullMesh::new());
        assert_eq!(addresses(&world, token), [0, 1]);
        *world.machine.policy() = policy;
        world.machine.lost();
        world.settle();
        world.assert_same();
        addresses(&world, token)
    };
    assert_eq!(replaced(FullMesh::new().except(["eth2"])), [0, 1]);
    assert_eq!(replaced(FullMesh::new().except(["eth2"]).exact()), [0]);
    assert_eq!(replaced(FullMesh::new().except(["eth1"]).exact()), [0, 1], "the initial one stays");
    assert_eq!(replaced(FullMesh::new().at_most(1)), [0, 1]);
    assert_eq!(replaced(FullMesh::new().at_most(1).exact()), [0]);
    let other = FullMesh::new().except(["eth2"]).when(|connection| connection.remote.port() != 80).exact();
    assert_eq!(replaced(other), [0, 1], "not one of its connections");
}

/// The second address is on a third interface too, or only there as the second one is down.
#[test]
fn address_of_two_interfaces_is_used_once_and_on_one_that_is_up() {
    for (server_side, up, index) in [(false, true, 2), (false, false, 3), (true, true, 2)] {
        let (guard, seen) = witness();
        let mut world = World::new(Guarded::new((FullMesh::new(), NDiffPorts::new(1)), guard));
        for (index, host, up) in [(1, 0, true), (2, 1, up), (3, 1, true)] {
            let addresses = BTreeMap::from([(local(host, 0).ip(), EVERYWHERE)]);
            let name = format!("eth{index}");
            world.kernel.interfaces.insert(index, Interface { index, name, up, addresses });
        }
        world.kernel.connect(0, server_side);
        world.kernel.act(1, 0, 0);
        world.settle();
        assert_eq!(world.machine.table().binding(local(1, 0).ip()), Some(index));
        let decisions: Vec<_> = seen.try_iter().collect();
        match (decisions.as_slice(), server_side) {
            ([Decision::Create { subflow, .. }], false) => assert_eq!(subflow.index, Some(index)),
            ([Decision::Announce { endpoint, .. }], true) => assert_eq!(endpoint.address, local(1, 0).ip()),
            other => panic!("{other:?}"),
        }
    }
}

/// The one that is destroyed makes room for the other at once.
#[test]
fn exact_policy_uses_another_interface_within_its_limit() {
    let (mut world, token) = world(FullMesh::new().at_most(2));
    let addresses = BTreeMap::from([(local(2, 0).ip(), EVERYWHERE)]);
    world.kernel.interfaces.insert(3, Interface { index: 3, name: "eth3".into(), up: true, addresses });
    let mut replace = |policy| {
        *world.machine.policy() = policy;
        world.machine.lost();
        world.settle();
        world.assert_same();
        self::addresses(&world, token)
    };
    assert_eq!(replace(FullMesh::new().at_most(2).except(["eth2"]).exact()), [0, 2]);
    assert_eq!(replace(FullMesh::new().at_most(3)), [0, 1, 2]);
    // The newest one is of an interface that stays, and the limit alone would end it.
    assert_eq!(replace(FullMesh::new().at_most(2).except(["eth3"]).exact()), [0, 1]);
}

#[test]
fn exact_policy_withdraws_addresses_of_a_server() {
    let mut world = World::new(FullMesh::new());
    for index in [1, 2, 3] {
        let addresses = BTreeMap::from([(local(u8::try_from(index).unwrap() - 1, 0).ip(), EVERYWHERE)]);
        let name = format!("eth{index}");
        world.kernel.interfaces.insert(index, Interface { index, name, up: true, addresses });
    }
    world.kernel.connect(0, true);
    world.kernel.act(1, 0, 0);
    world.settle();
    let announced = |world: &World<FullMesh>| {
        let connection = world.machine.table().connection(Token::new(1)).unwrap();
        connection.announced.values().map(|(address, _)| *address).collect::<Vec<_>>()
    };
    assert_eq!(announced(&world), [local(1, 0).ip(), local(2, 0).ip()]);
    *world.machine.policy() = FullMesh::new().interface("eth3", EndpointFlags::SIGNAL).exact();
    world.machine.lost();
    world.settle();
    assert_eq!(announced(&world), [local(2, 0).ip()]);
}

#[test]
fn initial_subflow_is_restored_on_the_interface_of_its_address() {
    let (mut world, token) = world((FollowInterfaces::new(), FullMesh::new()));
    link(&mut world, 1, false);
    assert_eq!(addresses(&world, token), [1]);
    link(&mut world, 1, true);
    let connection = world.machine.table().connection(token).unwrap();
    let restored = connection.subflows.iter().find(|s| s.local.ip() == local(0, 0).ip()).unwrap();
    assert_eq!((restored.index, restored.local_id.is_initial()), (Some(1), false));
}

/// Decides at random until its bytes are used up.
struct Random(std::vec::IntoIter<u8>);

impl Random {
    fn act(&mut self, plan: &mut Plan<'_>) -> Option<()> {
        let mut pick = |from: usize| Some(usize::from(self.0.next()?) % from.max(1));
        let tokens = plan.table().tokens();
        let token = *tokens.get(pick(tokens.len())?)?;
        let (verb, which) = (pick(8)?, pick(256)?);
        let connection = plan.table().connection(token)?;
        let subflow =
            connection.subflows.get(which % connection.subflows.len().max(1)).map(SubflowState::ends);
        let addresses: Vec<_> = plan.table().usable_addresses().map(|(_, address)| address).collect();
        let address = addresses.get(which % addresses.len().max(1)).copied();
        match verb {
            0..=2 => {
                let target = connection.targets().last()?;
                if !connection.has_subflow(address?, target) {
                    plan.create(token, Subflow::new((address?, 0).into(), target));
                }
            }
            3 => plan.destroy(token, subflow?.0, subflow?.1),
            4 => plan.withdraw(token, u8::try_from(which % 4).ok()?),
            5 => plan.announce(token, crate::endpoint::Endpoint::new(address?)),
            6 if which % 2 == 0 => plan.nobackup(token, subflow?.0, subflow?.1),
            6 => plan.backup(token, subflow?.0, subflow?.1),
            _ => plan.watch(token),
        }
        Some(())
    }
}

impl Policy for Random {
    fn decide(&mut self, _: &PathEvent, plan: &mut Plan<'_>) {
        self.act(plan);
    }
}

proptest! {
    /// Each decision has one outcome, none is issued twice, and nothing is left of connections that are gone.
    #[test]
    fn decisions_of_a_random_policy_have_one_outcome_each(
        steps in proptest::collection::vec((0..20_u8, any::<u8>(), any::<u8>()), 0..300),
        choices in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut world = World::new(Random(choices.into_iter()));
        for (kind, a, b) in steps {
            world.step(kind, a, b, false);
            let work = &world.machine.work;
            // Without those of which an event has reported the outcome: they may be decided again.
            let waiting = work.waiting.values().flatten().map(|(number, decision)| (number, decision));
            let all = work.running.iter().chain(waiting).filter(|(number, _)| !work.reported.contains(number));
            let unique = |d: &&Decision| matches!(d, Decision::Create { .. } | Decision::Destroy { .. });
            let open: Vec<_> = all.map(|(_, decision)| decision).filter(unique).collect();
            for (at, decision) in open.iter().enumerate() {
                prop_assert!(!open[..at].contains(decision), "twice: {}", decision);
            }
            // A flag may be set, cleared and set. One that runs may be of a subflow that was closed and is reported once more.
            let mut flags: Vec<_> = work.waiting.values().flatten().collect();
            flags.sort_by_key(|(number, _)| *number);
            let mut last = BTreeMap::new();
            for (_, decision) in flags {
                if let Decision::SetBackup { token, local, remote, backup } = decision {
                    let before = last.insert((token, local, remote), backup);
                    prop_assert!(before != Some(backup), "twice: {}", decision);
                }
            }
        }
        world.settle();
        world.assert_same();
        for token in world.kernel.connections.keys().copied().collect::<Vec<_>>() {
            world.kernel.connections.remove(&token);
            world.kernel.emit(Input::Mptcp(MptcpEvent::Closed { token }));
        }
        world.settle();
        world.assert_same();
        world.read();
        let machine = &world.machine;
        prop_assert_eq!(world.outcomes, machine.work.next);
        prop_assert!(machine.work.running.is_empty() && machine.work.waiting.is_empty());
        prop_assert_eq!(machine.deadline(), None, "something is still watched");
    }
}

#[test]
fn full_mesh_respects_the_limits_of_the_namespace() {
    for (limits, subflows) in [((0, 0), 1), ((0, 9), 2), ((1, 9), 4), ((9, 9), 6), ((9, 2), 3)] {
        let limits = Limits { add_addr_accepted: limits.0, subflows: limits.1 };
        let (mut world, token) = world(FullMesh::new().limits(limits));
        for id in [0, 1] {
            world.kernel.act(2, 0, id);
        }
        world.settle();
        assert_eq!(world.kernel.connections[&token].subflows.len(), subflows, "{limits}");
    }
}

#[test]
fn ndiffports_binds_subflows_to_the_interface_of_the_initial_one() {
    let (world, token) = world(NDiffPorts::new(3));
    let subflows = &world.machine.table().connection(token).unwrap().subflows;
    let bound: Vec<_> = subflows.iter().filter(|s| !s.local_id.is_initial()).map(|s| s.index).collect();
    assert_eq!(bound, [Some(1), Some(1)]);
}
