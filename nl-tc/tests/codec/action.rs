//! Actions: the defaults of `tc`, values that round-trip, and refusals with the limit.

use nl_core::message::MessageRef;
use nl_tc::action::{
    Action, ActionConfig, Ctinfo, Gact, GactRandom, Mirred, PacketRate, Police, Skbedit, Verdict,
    flush_request, list_request,
};
use nl_tc::filter::{Filter, FilterConfig, Matchall, U32};
use nl_tc::{Rate, TcHandle, TcVerb};
use proptest::option;
use proptest::prelude::*;

use crate::refused;

const PARENT: TcHandle = TcHandle::CLSACT_INGRESS;

fn read_back(config: impl Into<FilterConfig>) -> FilterConfig {
    let mut request = Filter::new(2, PARENT, config).request(TcVerb::Add);
    Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap().config
}

#[test]
fn action_has_the_verdict_of_tc_by_default() {
    for (action, verdict, text) in [
        (Action::pass(), Verdict::Pass, "action gact pass"),
        (Action::drop(), Verdict::Drop, "action gact drop"),
        (Action::from(Mirred::redirect(3)), Verdict::Stolen, "action mirred egress redirect dev #3"),
        (Action::from(Mirred::mirror(3)), Verdict::Pipe, "action mirred egress mirror dev #3"),
        (Action::from(Skbedit::new().mark(1)), Verdict::Pipe, "action skbedit mark 0x1"),
        (Action::goto_chain(7).index(2), Verdict::GotoChain(7), "action gact goto chain 7 index 2"),
        (
            Action::drop().hw_stats(0).no_percpu(true),
            Verdict::Drop,
            "action gact drop hw_stats disabled no_percpu",
        ),
        (
            Action::drop().hw_stats(Action::HW_STATS_DELAYED),
            Verdict::Drop,
            "action gact drop hw_stats delayed",
        ),
        (
            Action::from(Police::new(Rate::mbit(1), 1500).conform(Verdict::Pipe)),
            Verdict::Reclassify,
            "action police rate 1Mbit burst 1500b conform-exceed reclassify/pipe",
        ),
    ] {
        assert_eq!((action.verdict, action.to_string().as_str()), (verdict, text));
    }
}

/// A name is looked up by the handle. Without one, nothing is sent.
#[test]
fn invalid_actions_are_refused() {
    let police = || Police::new(Rate::mbit(1), 1500);
    let random = GactRandom { by_chance: true, verdict: Verdict::Pass, one_in: 0 };
    let actions: Vec<(Action, &str)> = vec![
        (Mirred::redirect("ifb0").into(), "device ifb0; a handle looks its index up, which is needed here"),
        (Mirred::redirect(0).into(), "interface index 0; the first one is 1"),
        (Mirred::mirror(1).block(0).into(), "blockid 0; 1 is the minimum"),
        (Gact::new().random(random).into(), "random one in 0; 1 to 65535 are possible"),
        (Action::goto_chain(1 << 28), "chain 268435456; 0 to 268435455 are possible"),
        (Action::drop().cookie([0_u8; 17]), "bytes of a cookie 17; 1 to 16 are possible"),
        (Action::drop().skip_hw(true).skip_sw(true), "skip_hw and skip_sw; one of them is possible"),
        (Action::drop().hw_stats(4), "hw_stats 4; 0 to 3 are possible"),
        (Skbedit::new().into(), "skbedit changes nothing; a mark, a priority, a queue or a type is needed"),
        (Skbedit::new().queue(3).last_queue(2).into(), "last queue 2; the first, 3, is the minimum"),
        (Ctinfo::new().dscp(0xff).into(), "dscp 0xff; six bits in a row are possible"),
        (
            Ctinfo::new().dscp(0x3f).dscp_state(1).into(),
            "state 0x1; bits that are not in the DSCP's, 0x3f, are possible",
        ),
        (police().peak_rate(Rate::mbit(2)).into(), "a peakrate without an mtu, which is its burst"),
        (
            police().peak_rate(Rate::mbit(1)).mtu(1500).into(),
            "peakrate 1Mbit; more than the rate, 1Mbit, is possible",
        ),
        (Police::packets(0, 1).into(), "pkts_rate 0; 1 to 18446744073709551615 are possible"),
        (Action::at("gact", 5), "action gact without options; it can be read and deleted"),
    ];
    for (action, why) in actions {
        let error = refused(Filter::new(2, PARENT, Matchall::actions([action])).request(TcVerb::Add));
        assert!(error.ends_with(why), "{error}\nexpected: {why}");
    }
    let many = Matchall::actions(vec![Action::drop(); 33]);
    let error = refused(Filter::new(2, PARENT, many).request(TcVerb::Add));
    assert!(error.ends_with("number of actions 33; 0 to 32 are possible"), "{error}");
    let error = refused(Action::at("gact", 0).request(TcVerb::Delete));
    assert!(error.ends_with("index 0; the index of an existing action is needed"), "{error}");
}

/// The kernel does not report that any counters of the hardware are wanted.
#[test]
fn any_counters_of_the_hardware_are_what_unset_means() {
    let any = Action::drop().hw_stats(Action::HW_STATS_IMMEDIATE | Action::HW_STATS_DELAYED);
    assert!(any.is_met_by(&Action::drop()) && Action::drop().is_met_by(&any));
    assert_eq!(any.to_string(), "action gact drop");
    let none = Action::drop().hw_stats(0);
    assert!(!none.is_met_by(&Action::drop()));
    let FilterConfig::Matchall(read) = read_back(Matchall::actions([none.clone()])) else { panic!() };
    assert_eq!(read.actions, [none]);
}

#[test]
fn shared_action_is_described_in_the_words_of_tc() {
    let action = Action::from(Mirred::redirect(3)).index(5);
    assert_eq!(action.request(TcVerb::Add).describe(), "add action mirred egress redirect dev #3 index 5");
    assert_eq!(Action::at("gact", 5).request(TcVerb::Delete).describe(), "delete action gact index 5");
    assert_eq!(list_request("police").describe(), "list actions police");
    assert_eq!(flush_request("police").describe(), "flush actions police");
    let mut request = action.request(TcVerb::Replace);
    let read = Action::decode_message(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    assert_eq!(read, [action]);
}

/// `tc filter add … u32 … police rate 1mbit burst 10k drop` of the older form: the policer stands in the options of the filter.
#[test]
fn policer_of_u32_is_read_as_an_action() {
    let class = TcHandle::new(1, 0x10);
    let action = Action::from(Police::new(Rate::mbit(1), 10 * 1024)).verdict(Verdict::Drop);
    let mut request = Filter::new(2, PARENT, U32::all(class).action(action)).request(TcVerb::Add);
    let bytes = request.encoded().unwrap().to_vec();
    let ours = Filter::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    // The same options, moved from TCA_U32_ACT to TCA_U32_POLICE.
    let message = MessageRef::parse(&bytes).unwrap();
    let (_, attrs) = message.header::<nl_tc::TcMsg>().unwrap();
    let options = attrs.find(2).unwrap().unwrap().attrs();
    let list = options.find(7).unwrap().unwrap().attrs();
    let police = list.find(1).unwrap().unwrap().attrs().find(2).unwrap().unwrap();
    let mut old = nl_core::Request::unnamed(nl_tc::RTM_NEWTFILTER).with_header(&nl_tc::TcMsg::default());
    let mut w = old.attrs();
    w.str(1, "u32");
    let mut nest = w.nested(2);
    nest.u32(1, class.bits()).bytes(5, options.find(5).unwrap().unwrap().value()).bytes(6, police.value());
    drop(nest);
    assert_eq!(Filter::decode(MessageRef::from(&old)).unwrap().config, ours.config);
}

#[test]
fn detached_action_has_no_index_and_no_counters() {
    let mut action = Action::drop().index(5);
    action.stats.bytes = 7;
    assert_eq!(action.detached(), Action::drop());
    assert!(Action::drop().is_met_by(&action) && !Action::drop().index(6).is_met_by(&action));
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Drop),
        Just(Verdict::Pass),
        Just(Verdict::Pipe),
        Just(Verdict::Continue),
        (0..1_u32 << 28).prop_map(Verdict::Jump),
        (0..1_u32 << 28).prop_map(Verdict::GotoChain),
    ]
}

fn config() -> impl Strategy<Value = ActionConfig> {
    let rates = (1000..u64::MAX / 2, 1..1_000_000_u32, option::of(1..u32::MAX), any::<bool>());
    prop_oneof![
        (1..1000_u32, any::<bool>(), any::<bool>()).prop_map(|(index, mirror, ingress)| {
            let mut mirred = if mirror { Mirred::mirror(index) } else { Mirred::redirect(index) };
            mirred.ingress = ingress;
            ActionConfig::from(mirred)
        }),
        (1..u32::MAX).prop_map(|block| ActionConfig::from(Mirred::mirror(1).block(block))),
        (any::<bool>(), 1..u16::MAX).prop_map(|(by_chance, one_in)| {
            let random = GactRandom { by_chance, verdict: Verdict::Drop, one_in };
            ActionConfig::from(Gact::new().random(random))
        }),
        rates.prop_map(|(rate, ticks, mtu, peak)| {
            let burst = std::time::Duration::from_nanos(u64::from(ticks) * 64);
            let mut police = Police::new(Rate::bps(rate), burst);
            police.mtu = mtu;
            if peak && mtu.is_some() {
                police.peak_rate = Rate::bps(rate + 1);
            }
            ActionConfig::from(police)
        }),
        (1..1_000_000_u64).prop_map(|rate| ActionConfig::from(Police::packets(rate, 10))),
        (option::of(any::<u32>()), any::<u16>(), 0..4_u16).prop_map(|(mark, queue, kind)| {
            let mut skbedit = Skbedit::new().queue(queue).packet_type(kind);
            (skbedit.mark, skbedit.mask) = (mark, mark);
            ActionConfig::from(skbedit)
        }),
        (0..24_u32, any::<u16>(), option::of(any::<u32>())).prop_map(|(shift, zone, mark)| {
            let mut ctinfo = Ctinfo::new().dscp(0x3f << shift).dscp_state(1 << 31).zone(zone);
            ctinfo.mark = mark;
            ActionConfig::from(ctinfo)
        }),
    ]
}

proptest! {
    #[test]
    fn action_round_trips(config in config(), verdict in verdict(), index: u32, cookie in option::of(any::<[u8; 4]>())) {
        let mut action = Action::new(config).verdict(verdict).index(index);
        action.cookie = cookie.map(|cookie| cookie.to_vec());
        let filter = FilterConfig::from(Matchall::actions([action, Action::drop()]));
        let read = read_back(filter.clone());
        prop_assert!(filter.is_met_by(&read), "{filter:?}\n{read:?}");
        prop_assert_eq!(read_back(read.clone()), read);
    }

    #[test]
    fn packet_rate_is_read_as_the_kernel_stores_it(rate in 1..u64::MAX, burst in 1..u64::from(u32::MAX)) {
        let mut police = Police::packets(rate, burst);
        police.packets = Some(PacketRate { rate, burst });
        let filter = FilterConfig::from(Matchall::actions([police]));
        prop_assert!(filter.is_met_by(&read_back(filter.clone())));
    }
}
