//! Bytes that a 7.2 kernel accepted or sent, little-endian as captured. The interface is 2.

use std::time::Duration;

use nl_core::message::MessageRef;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::EtsConfig;
use nl_tc::filter::{Filter, Matchall, U32};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{BfifoConfig, FqCodelConfig, NetemConfig, NetemLoss, PfifoConfig, SfqConfig, TbfConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::stats::{Estimator, XStats};
use nl_tc::{Burst, LinkLayer, Probability, Rate, Size, SizeTable, TcHandle, TcVerb};

use crate::{sent, unhex};

/// `qdisc htb 1: default 0x20 r2q 10`
const ADD_HTB: &str = "48000000240005060100000000000000000000000200000000000100ffffffff0000000008000100687462001c000280\
    18000200030000000a000000200000000000000000000000";
/// `class htb 1:1 rate 1mbit ceil 2mbit burst 15k cburst 3k`
const ADD_HTB_CLASS: &str = "600000002800050601000000000000000000000002000000010001000000010000000000080001006874620034000280\
    30000100000100000000000048e80100000100000000000090d00300004c1d0000ee0200000000000000000000000000";
/// `class htb 1:2 rate 40gbit (RATE64/CEIL64) quantum 60000 prio 3 est 250ms`
const ADD_HTB_WIDE: &str = "800000002800050601000000000000000000000002000000020001000000010000000000080001006874620006000500\
    fe0100004c000280300001000001000000000000ffffffff0001000000000000ffffffff060000000600000060ea0000\
    00000000030000000c00060000f2052a010000000c00070000f2052a01000000";
/// `htb class dump`
pub(crate) const DUMP_HTB: &str = "ec000000280002000100000000000000000000000200000001000100ffffffff00000000080001006874620034000200\
    30000100000100000000000048e80100000100000000000090d00300004c1d0000ee0200d43000000000000000000000\
    480007001400010000000000000000000000000000000000180003000000000000000000000000000000000000000000\
    18000400000000000000000000000000004c1d0000ee02002c0003000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000018000400000000000000000000000000004c1d0000ee0200";
/// `htb class dump`
const DUMP_HTB_WIDE: &str = "10010000280002000100000000000000000000000200000002000100ffffffff0000000008000100687462004c000200\
    300001000001000000000000ffffffff0001000000000000ffffffff060000000600000060ea00000000000003000000\
    0c00060000f2052a010000000c00070000f2052a01000000540007001400010000000000000000000000000000000000\
    0c0002000000000000000000180003000000000000000000000000000000000000000000180004000000000000000000\
    0000000006000000060000002c0003000000000000000000000000000000000000000000000000000000000000000000\
    0000000000000000180004000000000000000000000000000600000006000000";
/// `qdisc hfsc 1: default 0x10`
const ADD_HFSC: &str = "38000000240005060100000000000000000000000200000000000100ffffffff00000000090001006866736300000000\
    0600020010000000";
/// `class hfsc 1:10 rt m1 2mbit d 10ms m2 1mbit, ls m2 1mbit, ul m2 4mbit`
const ADD_HFSC_CLASS: &str = "640000002800050601000000000000000000000002000000100001000000010000000000090001006866736300000000\
    340002801000010090d003001027000048e8010010000200000000000000000048e80100100003000000000000000000\
    20a10700";
/// `hfsc class dump`
const DUMP_HFSC_ROOT: &str = "c8000000280002000100000000000000000000000200000000000100ffffffff00000000090001006866736300000000\
    040002004c00070014000100000000000000000000000000000000001800030000000000000000000000000000000000\
    000000001c0004000000000000000000000000000000000000000000010000002c000300000000000000000000000000\
    000000000000000000000000000000000000000000000000000000001c00040000000000000000000000000000000000\
    0000000001000000";
/// `hfsc class dump`
const DUMP_HFSC: &str = "f80000002800020001000000000000000000000002000000100001000000010000000000090001006866736300000000\
    340002001000010090d003001027000048e8010010000200000000000000000048e80100100003000000000000000000\
    20a107004c00070014000100000000000000000000000000000000001800030000000000000000000000000000000000\
    000000001c0004000000000000000000000000000000000000000000000000002c000300000000000000000000000000\
    000000000000000000000000000000000000000000000000000000001c00040000000000000000000000000000000000\
    0000000000000000";
/// `qdisc drr 1:`
const ADD_DRR: &str =
    "2c000000240005060100000000000000000000000200000000000100ffffffff000000000800010064727200";
/// `class drr 1:1 quantum 3000`
const ADD_DRR_CLASS: &str = "38000000280005060100000000000000000000000200000001000100000001000000000008000100647272000c000280\
    08000100b80b0000";
/// `drr class dump`
const DUMP_DRR: &str = "a4000000280002000100000000000000000000000200000001000100ffffffff0000000008000100647272000c000200\
    08000100b80b000038000700140001000000000000000000000000000000000018000300000000000000000000000000\
    000000000000000008000400000000002c00030000000000000000000000000000000000000000000000000000000000\
    0000000000000000000000000800040000000000";
/// `qdisc qfq 1:`
const ADD_QFQ: &str =
    "2c000000240005060100000000000000000000000200000000000100ffffffff000000000800010071667100";
/// `class qfq 1:1 weight 10 maxpkt 2048`
const ADD_QFQ_CLASS: &str = "400000002800050601000000000000000000000002000000010001000000010000000000080001007166710014000280\
    080001000a0000000800020000080000";
/// `qfq class dump`
const DUMP_QFQ: &str = "b4000000280002000100000000000000000000000200000001000100ffffffff00000000080001007166710014000200\
    080001000a00000008000200000800003c00070014000100000000000000000000000000000000001800030000000000\
    000000000000000000000000000000000c0004000a000000000800002c00030000000000000000000000000000000000\
    0000000000000000000000000000000000000000000000000c0004000a00000000080000";

/// All of these, as seeds of the fuzz target.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("add_htb", ADD_HTB),
    ("add_htb_class", ADD_HTB_CLASS),
    ("add_htb_wide", ADD_HTB_WIDE),
    ("dump_htb", DUMP_HTB),
    ("dump_htb_wide", DUMP_HTB_WIDE),
    ("add_hfsc", ADD_HFSC),
    ("add_hfsc_class", ADD_HFSC_CLASS),
    ("dump_hfsc_root", DUMP_HFSC_ROOT),
    ("dump_hfsc", DUMP_HFSC),
    ("add_drr", ADD_DRR),
    ("add_drr_class", ADD_DRR_CLASS),
    ("dump_drr", DUMP_DRR),
    ("add_qfq", ADD_QFQ),
    ("add_qfq_class", ADD_QFQ_CLASS),
    ("dump_qfq", DUMP_QFQ),
];

const QDISC: TcHandle = TcHandle::new(1, 0);

/// Qdiscs and filters of other kinds, as this crate encodes them. No captured bytes exist for them.
pub(crate) fn leaves() -> impl Iterator<Item = (String, Vec<u8>)> {
    let probability = Probability::ALWAYS;
    let ms = Duration::from_millis;
    let netem = NetemConfig::new().delay(ms(10)).jitter(ms(1)).limit(50).loss(NetemLoss::random(probability));
    let qdiscs: Vec<QdiscConfig> = vec![
        BfifoConfig::new().limit(5000).into(),
        EtsConfig::new(4).strict(1).quanta([2000, 3000]).priomap([0, 1, 2]).into(),
        FqCodelConfig::new().limit(100).flows(32).target(ms(5)).ecn(true).into(),
        netem.reorder(probability).duplicate(probability).corrupt(probability).into(),
        PfifoConfig::new().limit(100).into(),
        SfqConfig::new().limit(50).flows(16).into(),
        TbfConfig::new(Rate::gbit(40), 16_000).limit(20_000).peak_rate(Rate::gbit(50), 2000).into(),
        QdiscConfig::Other { kind: "cake".into(), options: Some(vec![8, 0, 1, 0, 1, 2, 3, 4]) },
    ];
    let qdiscs = qdiscs.into_iter().chain(later());
    let filters = [
        Filter::new(2, QDISC, Matchall::new(QDISC.class(1))).priority(1),
        Filter::new(2, QDISC, U32::to([192, 0, 2, 1].into(), QDISC.class(1))).priority(2),
    ];
    let qdiscs = qdiscs.map(|config| (config.kind().to_owned(), add_qdisc(config)));
    let filters = filters.into_iter().map(|f| (f.config.kind().to_owned(), sent(f.request(TcVerb::Add))));
    let filters =
        filters.chain(later_filters().map(|(name, f)| (name.to_owned(), sent(f.request(TcVerb::Add)))));
    let stab = SizeTable::new().link_layer(LinkLayer::Atm).overhead(10).slots(64);
    let stab = Qdisc::new(2, TcHandle::ROOT, PfifoConfig::new()).stab(stab).request(TcVerb::Add);
    let made = qdiscs.chain(filters).chain([("stab".to_owned(), sent(stab))]);
    let bytes: Vec<_> = made.map(|(kind, bytes)| (format!("made_{kind}"), bytes)).collect();
    bytes.into_iter()
}

/// The kinds that came later.
fn later() -> Vec<QdiscConfig> {
    use nl_tc::leaf::{
        CbsConfig, CodelConfig, EtfConfig, FqConfig, FqPieConfig, MqprioConfig, PieConfig, PrioConfig,
        RedAverage, RedConfig, TaprioConfig, TrafficClasses,
    };
    let ms = Duration::from_millis;
    let classes = || TrafficClasses::new(2, [1; 16]).queues([(1, 0), (1, 1)]);
    let hardware = MqprioConfig::new(classes()).offload(true).mode(1).shaper(1);
    vec![
        CbsConfig::new().hicredit(30).locredit(-1470).into(),
        CodelConfig::new().limit(5).target(ms(5)).ecn(true).into(),
        EtfConfig::new(ms(1)).deadline_mode(true).into(),
        FqConfig::new().limit(5).pacing(false).horizon(ms(5)).into(),
        FqPieConfig::new().limit(5).flows(7).target(ms(16)).ecn_prob(5).into(),
        hardware.min_rates([Rate::gbit(1)]).max_rates([Rate::gbit(40)]).preemptible(1).into(),
        PieConfig::new().limit(5).target(ms(16)).bytemode(true).into(),
        PrioConfig::new().bands(4).into(),
        RedConfig::new(400_000, &RedAverage::new(1000)).unwrap().ecn(true).nodrop(true).into(),
        TaprioConfig::new(classes()).clock(11).set_gates(1, ms(1)).max_sdu([5]).cycle_time(ms(2)).into(),
    ]
}

/// Filters with a name, because some are of one kind.
fn later_filters() -> impl Iterator<Item = (&'static str, Filter)> {
    use nl_tc::action::{Action, Mirred, Police, Skbedit};
    use nl_tc::filter::{Flower, FlowerKey, Fw, U32Key, U32Offset, U32Table};
    let class = QDISC.class(1);
    let tcp = Flower::ipv4().key(FlowerKey::IpProto(6)).key(FlowerKey::TcpDst(443, 0xffff)).classid(class);
    let police = Action::from(Police::new(Rate::mbit(1), 5000)).verdict(nl_tc::action::Verdict::Drop);
    let link = U32::linking(U32Table::number(2), [U32Key::at(8, 6 << 16, 0xff << 16)]);
    let on = |config: nl_tc::filter::FilterConfig| Filter::new(2, QDISC, config).priority(3);
    [
        ("flower", on(tcp.action(Skbedit::new().mark(7)).into())),
        ("fw", on(Fw::new(class).mask(0xff).action(police).into())),
        ("matchall_mirred", on(Matchall::actions([Mirred::redirect(7_u32)]).into())),
        ("u32_link", on(link.offset(U32Offset::IPV4).hash_key(0xff, 0).into())),
        ("u32_table", on(U32Table::new(256).into()).handle(U32Table::number(2))),
    ]
    .into_iter()
}

fn add_qdisc(config: impl Into<QdiscConfig>) -> Vec<u8> {
    sent(Qdisc::new(2, TcHandle::ROOT, config).handle(QDISC).request(TcVerb::Add))
}

fn add_class(minor: u16, config: impl Into<ClassConfig>) -> Vec<u8> {
    sent(Class::new(2, QDISC.class(minor), config).request(TcVerb::Add))
}

fn decoded(hex: &str) -> Class {
    Class::decode(MessageRef::parse(&unhex(hex)).unwrap()).unwrap()
}

fn decoded_qdisc(hex: &str) -> Qdisc {
    Qdisc::decode(MessageRef::parse(&unhex(hex)).unwrap()).unwrap()
}

fn htb() -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(1)).ceil(Rate::mbit(2)).burst(15 * 1024).cburst(3 * 1024)
}

fn htb_wide() -> HtbClassConfig {
    HtbClassConfig::new(Rate::gbit(40)).quantum(60_000).prio(3)
}

fn hfsc() -> HfscClassConfig {
    HfscClassConfig::new()
        .real_time(ServiceCurve::two_piece(Rate::mbit(2), Duration::from_millis(10), Rate::mbit(1)))
        .link_share(Rate::mbit(1))
        .upper_limit(Rate::mbit(4))
}

#[test]
fn qdisc_encodes_to_the_golden_bytes() {
    assert_eq!(add_qdisc(HtbConfig::new().default_class(0x20)), unhex(ADD_HTB));
    assert_eq!(add_qdisc(HfscConfig::new().default_class(0x10)), unhex(ADD_HFSC));
    assert_eq!(add_qdisc(DrrConfig::new()), unhex(ADD_DRR));
    assert_eq!(add_qdisc(QfqConfig::new()), unhex(ADD_QFQ));
}

#[test]
fn qdisc_decodes_from_the_golden_bytes() {
    for (hex, config) in [
        (ADD_HTB, QdiscConfig::from(HtbConfig::new().default_class(0x20))),
        (ADD_HFSC, HfscConfig::new().default_class(0x10).into()),
        (ADD_DRR, DrrConfig::new().into()),
        (ADD_QFQ, QfqConfig::new().into()),
    ] {
        let qdisc = decoded_qdisc(hex);
        assert_eq!((qdisc.index, qdisc.handle, qdisc.parent), (2, QDISC, TcHandle::ROOT));
        assert_eq!(qdisc.config, config);
    }
}

#[test]
fn htb_class_encodes_to_the_golden_bytes() {
    assert_eq!(add_class(1, htb()), unhex(ADD_HTB_CLASS));
}

/// Rates over 32 bits, with an estimator: `rate 40gbit quantum 60000 prio 3 estimator 250ms 500ms`.
#[test]
fn htb_class_with_64_bit_rates_encodes_to_the_golden_bytes() {
    let estimator = Estimator::new(Duration::from_millis(250), Duration::from_millis(500));
    let class = Class::new(2, QDISC.class(2), htb_wide()).estimator(estimator);
    assert_eq!(sent(class.request(TcVerb::Add)), unhex(ADD_HTB_WIDE));
}

#[test]
fn htb_class_decodes_from_the_golden_bytes() {
    let class = decoded(DUMP_HTB);
    assert_eq!((class.index, class.handle, class.parent), (2, QDISC.class(1), TcHandle::ROOT));
    assert_eq!((class.leaf, class.is_top()), (None, true));
    // The kernel set the quantum to the rate divided by r2q.
    let quantum = HtbConfig::new().quantum(Rate::mbit(1));
    let ClassConfig::Htb(read) = &class.config else { panic!("{class:?}") };
    assert_eq!(read.quantum, Some(quantum));
    assert_eq!(read.burst, Burst::Time(Duration::from_micros(122_880)));
    assert_eq!(Burst::from(Size(15 * 1024)).bytes(read.rate), read.burst.bytes(read.rate));
    assert!(ClassConfig::from(htb()).is_met_by(&class.config));
    assert!(!ClassConfig::from(htb().prio(1)).is_met_by(&class.config));
    let Some(XStats::Htb(stats)) = class.stats.xstats else { panic!("{class:?}") };
    assert_eq!((stats.lends, stats.tokens, stats.ctokens), (0, 1_920_000, 192_000));

    let class = decoded(DUMP_HTB_WIDE);
    let ClassConfig::Htb(read) = &class.config else { panic!("{class:?}") };
    assert_eq!((read.rate, read.ceil), (Rate::gbit(40), Some(Rate::gbit(40))));
    assert_eq!((read.quantum, read.prio), (Some(60_000), 3));
    assert!(ClassConfig::from(htb_wide()).is_met_by(&class.config));
    assert_eq!(class.stats.measured.unwrap().rate, Rate::ZERO);
}

#[test]
fn hfsc_class_encodes_to_the_golden_bytes() {
    assert_eq!(add_class(0x10, hfsc()), unhex(ADD_HFSC_CLASS));
}

#[test]
fn hfsc_class_decodes_from_the_golden_bytes() {
    let root = decoded(DUMP_HFSC_ROOT);
    assert_eq!((root.handle, root.parent, root.is_top()), (QDISC, TcHandle::ROOT, false));
    assert_eq!(root.config, HfscClassConfig::new().into());
    let Some(XStats::Hfsc(stats)) = root.stats.xstats else { panic!("{root:?}") };
    assert_eq!((stats.work, stats.rtwork, stats.period, stats.level), (0, 0, 0, 1));

    let class = decoded(DUMP_HFSC);
    assert_eq!((class.handle, class.parent, class.is_top()), (QDISC.class(0x10), QDISC, true));
    assert_eq!(class.config, hfsc().into());
}

#[test]
fn drr_class_encodes_and_decodes_the_golden_bytes() {
    let config = DrrClassConfig::new().quantum(3000);
    assert_eq!(add_class(1, config.clone()), unhex(ADD_DRR_CLASS));
    let class = decoded(DUMP_DRR);
    assert_eq!(class.config, config.into());
    assert!(matches!(class.stats.xstats, Some(XStats::Drr(stats)) if stats.deficit == 0));
}

#[test]
fn qfq_class_encodes_and_decodes_the_golden_bytes() {
    let config = QfqClassConfig::new(10).maxpkt(2048);
    assert_eq!(add_class(1, config.clone()), unhex(ADD_QFQ_CLASS));
    let class = decoded(DUMP_QFQ);
    assert_eq!(class.config, config.into());
    assert!(
        matches!(class.stats.xstats, Some(XStats::Qfq(stats)) if (stats.weight, stats.lmax) == (10, 2048))
    );
}

#[test]
fn decoded_class_encodes_to_its_request() {
    for (dump, add) in [(DUMP_DRR, ADD_DRR_CLASS), (DUMP_QFQ, ADD_QFQ_CLASS), (DUMP_HFSC, ADD_HFSC_CLASS)] {
        let back = sent(decoded(dump).request(TcVerb::Replace));
        let mut expected = unhex(add);
        // Replace instead of add, and the decoded parent.
        (expected[6], expected[7]) = (0x05, 0x05);
        expected[28..32].copy_from_slice(&back[28..32]);
        assert_eq!(back, expected);
    }
}

#[test]
fn error_describes_the_request() {
    let request = Class::new(2, QDISC.class(1), htb().prio(8)).parent(QDISC).request(TcVerb::Add);
    assert_eq!(
        crate::refused(request),
        "add class dev #2 parent 1: classid 1:1 htb rate 1Mbit ceil 2Mbit burst 15360b cburst 3072b prio 8: \
         prio 8; 0 to 7 are possible"
    );
}
