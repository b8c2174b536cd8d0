//! What the policies of this crate decide, on the simulated kernel.

use super::*;
use crate::limits::Limits;
use crate::path_manager::Guarded;
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
