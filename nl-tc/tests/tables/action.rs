//! The actions: every option. The words after `tc filter add … matchall`, and the actions.

use nl_tc::action::{
    Action, ActionConfig, Connmark, Ctinfo, Gact, GactRandom, Mirred, MirredTo, Police, Skbedit, Verdict,
};
use nl_tc::filter::{FilterConfig, Matchall};
use nl_tc::{Rate, TcHandle};

/// The words, and the actions.
pub(crate) type ActionLine = (&'static str, Vec<Action>);

/// The actions with the index of a device in place of its name, `eth0`.
pub(crate) fn resolved(actions: Vec<Action>, index: u32) -> FilterConfig {
    let actions = actions.into_iter().map(|action| {
        let ActionConfig::Mirred(mut mirred) = action.config.clone() else { return action };
        mirred.to = MirredTo::Dev(index.into());
        let mut resolved = action;
        resolved.config = mirred.into();
        resolved
    });
    Matchall::actions(actions).into()
}

pub(crate) fn actions() -> Vec<ActionLine> {
    let police = |burst: u32| Police::new(Rate::mbit(1), burst);
    let drops = |police: Police| Action::from(police).verdict(Verdict::Drop);
    let random =
        |by_chance, one_in| Gact::new().random(GactRandom { by_chance, verdict: Verdict::Pass, one_in });
    vec![
        ("action drop", vec![Action::drop()]),
        ("action pass", vec![Action::pass()]),
        ("action reclassify", vec![Action::pass().verdict(Verdict::Reclassify)]),
        ("action continue", vec![Action::pass().verdict(Verdict::Continue)]),
        ("action pipe", vec![Action::pass().verdict(Verdict::Pipe)]),
        ("action trap", vec![Action::pass().verdict(Verdict::Trap)]),
        ("action drop no_percpu", vec![Action::drop().no_percpu(true)]),
        ("action drop hw_stats disabled", vec![Action::drop().hw_stats(0)]),
        ("action drop hw_stats immediate", vec![Action::drop().hw_stats(Action::HW_STATS_IMMEDIATE)]),
        ("action drop hw_stats delayed", vec![Action::drop().hw_stats(Action::HW_STATS_DELAYED)]),
        ("action goto chain 7", vec![Action::goto_chain(7)]),
        ("action drop index 9", vec![Action::drop().index(9)]),
        ("action drop cookie aabb01", vec![Action::drop().cookie([0xaa_u8, 0xbb, 1])]),
        ("action drop random determ pass 5", vec![Action::from(random(false, 5)).verdict(Verdict::Drop)]),
        ("action drop random netrand pass 10", vec![Action::from(random(true, 10)).verdict(Verdict::Drop)]),
        ("action mirred egress redirect dev eth0", vec![Mirred::redirect("eth0").into()]),
        ("action mirred egress mirror dev eth0", vec![Mirred::mirror("eth0").into()]),
        ("action mirred ingress redirect dev eth0", vec![Mirred::redirect("eth0").ingress().into()]),
        ("action mirred ingress mirror dev eth0", vec![Mirred::mirror("eth0").ingress().into()]),
        ("action police rate 1mbit burst 10k conform-exceed drop", vec![drops(police(10 * 1024))]),
        (
            "action police rate 1mbit burst 10k mtu 64k conform-exceed drop/pipe",
            vec![drops(police(10 * 1024).mtu(64 * 1024).conform(Verdict::Pipe))],
        ),
        (
            "action police rate 40gbit burst 10m conform-exceed drop",
            vec![drops(Police::new(Rate::gbit(40), 10 << 20))],
        ),
        (
            "action police rate 1mbit burst 10k peakrate 2mbit mtu 2000 conform-exceed drop",
            vec![drops(police(10 * 1024).peak_rate(Rate::mbit(2)).mtu(2000))],
        ),
        (
            "action police pkts_rate 1000 pkts_burst 200 conform-exceed drop",
            vec![drops(Police::packets(1000, 200))],
        ),
        ("action skbedit mark 7", vec![Skbedit::new().mark(7).into()]),
        ("action skbedit mark 7/0xff", vec![Skbedit::new().mark(7).mask(0xff).into()]),
        ("action skbedit priority 1:10", vec![Skbedit::new().priority(TcHandle::new(1, 0x10)).into()]),
        ("action skbedit queue_mapping 3", vec![Skbedit::new().queue(3).into()]),
        ("action skbedit ptype host", vec![Skbedit::new().packet_type(0).into()]),
        ("action skbedit ptype broadcast", vec![Skbedit::new().packet_type(1).into()]),
        ("action skbedit ptype multicast", vec![Skbedit::new().packet_type(2).into()]),
        ("action skbedit ptype otherhost", vec![Skbedit::new().packet_type(3).into()]),
        ("action skbedit mark 7 drop", vec![Action::from(Skbedit::new().mark(7)).verdict(Verdict::Drop)]),
        ("action skbedit inheritdsfield", vec![Skbedit::new().inherit_ds_field(true).into()]),
        ("action ctinfo cpmark 0xff", vec![Ctinfo::new().mark(0xff).into()]),
        (
            "action ctinfo dscp 0xfc000000 0x01000000",
            vec![Ctinfo::new().dscp(0xfc00_0000).dscp_state(0x0100_0000).into()],
        ),
        ("action connmark", vec![Connmark::new().into()]),
        ("action ctinfo cpmark 0xff zone 5", vec![Ctinfo::new().mark(0xff).zone(5).into()]),
        ("action connmark zone 5", vec![Connmark::new().zone(5).into()]),
        ("action connmark zone 5 drop", vec![Action::from(Connmark::new().zone(5)).verdict(Verdict::Drop)]),
        (
            "action mirred egress mirror dev eth0 drop",
            vec![Action::from(Mirred::mirror("eth0")).verdict(Verdict::Drop)],
        ),
        (
            "action skbedit mark 1 pipe action mirred egress redirect dev eth0",
            vec![Skbedit::new().mark(1).into(), Mirred::redirect("eth0").into()],
        ),
    ]
}
