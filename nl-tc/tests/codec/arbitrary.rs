//! Arbitrary configurations round-trip. Arbitrary bytes never panic.

use std::time::Duration;

use nl_core::message::{MessageRef, NLM_F_REPLACE};
use nl_tc::class::{Class, ClassConfig};
use nl_tc::drr::DrrClassConfig;
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::filter::{Filter, Matchall, U32, U32Key};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{
    BfifoConfig, FqCodelConfig, NetemConfig, NetemLoss, NetemRate, NetemSlot, PfifoConfig, SfqConfig, SfqRed,
    TbfConfig,
};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::qfq::QfqClassConfig;
use nl_tc::{Burst, LinkLayer, Probability, Rate, TcHandle, TcMsg, TcVerb};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const CLASS: TcHandle = TcHandle::new(1, 0x10);

fn wide_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![(1000..u64::from(u32::MAX)), (1000..u64::MAX - 1)].prop_map(Rate::bps)
}

fn narrow_rate() -> impl Strategy<Value = Rate> {
    (1..=u64::from(u32::MAX)).prop_map(Rate::bps)
}

fn time() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(|us| Duration::from_micros(us.into()))
}

fn burst() -> impl Strategy<Value = Burst> {
    prop_oneof![
        (1..(1_u32 << 17)).prop_map(Burst::from),
        (1..10_000_u32).prop_map(Burst::Mtu),
        any::<u32>().prop_map(|ticks| Burst::Time(Duration::from_nanos(u64::from(ticks) * 64))),
    ]
}

fn curve() -> impl Strategy<Value = ServiceCurve> {
    prop_oneof![
        (narrow_rate(), time(), narrow_rate()).prop_map(|(m1, d, m2)| ServiceCurve::two_piece(m1, d, m2)),
        (0..60_000_u32, time(), narrow_rate()).prop_map(|(umax, dmax, rate)| {
            ServiceCurve::delay(umax, dmax.max(Duration::from_millis(100)), rate)
        }),
    ]
}

fn htb() -> impl Strategy<Value = ClassConfig> {
    let rates = (wide_rate(), option::of(wide_rate()), burst(), burst());
    let rest = (0..=7_u32, option::of(1..u32::MAX), any::<u16>(), any::<u16>(), any::<bool>());
    (rates, rest).prop_map(|((rate, ceil, burst, cburst), (prio, quantum, overhead, mpu, atm))| {
        let mut config = HtbClassConfig::new(rate).burst(burst).cburst(cburst).prio(prio);
        (config.ceil, config.quantum) = (ceil, quantum);
        let layer = if atm { LinkLayer::Atm } else { LinkLayer::Ethernet };
        config.overhead(overhead).mpu(mpu).link_layer(layer).into()
    })
}

fn hfsc() -> impl Strategy<Value = ClassConfig> {
    (option::of(curve()), curve(), option::of(curve())).prop_map(|(rt, ls, ul)| {
        let mut config = HfscClassConfig::new().link_share(ls);
        (config.real_time, config.upper_limit) = (rt, ul);
        config.into()
    })
}

fn any_class() -> impl Strategy<Value = ClassConfig> {
    prop_oneof![
        htb(),
        hfsc(),
        option::of(256..=(1_u32 << 20)).prop_map(|quantum| {
            let mut config = DrrClassConfig::new();
            config.quantum = quantum;
            config.into()
        }),
        (1..=1024_u32, option::of(512..=65_536_u32)).prop_map(|(weight, maxpkt)| {
            let mut config = QfqClassConfig::new(weight);
            config.maxpkt = maxpkt;
            config.into()
        }),
        (256..=(1_u32 << 20)).prop_map(|quantum| EtsClassConfig::new(quantum).into()),
        ("[a-z]{1,15}", option::of(vec(any::<u8>(), 0..40)))
            .prop_filter("a kind that is known", |(kind, _)| {
                !matches!(kind.as_str(), "htb" | "hfsc" | "drr" | "qfq" | "ets")
            })
            .prop_map(|(kind, options)| ClassConfig::Other { kind, options }),
    ]
}

fn share() -> impl Strategy<Value = Probability> {
    any::<u32>().prop_map(Probability)
}

fn netem() -> impl Strategy<Value = QdiscConfig> {
    let loss = prop_oneof![
        (share(), share()).prop_map(|(p, c)| NetemLoss::correlated(p, c)),
        [1..u32::MAX, 0..u32::MAX, 0..u32::MAX, 0..u32::MAX, 0..u32::MAX].prop_map(|p| {
            let [p13, p31, p32, p14, p23] = p.map(Probability);
            NetemLoss::State { p13, p31, p32, p14, p23 }
        }),
        [1..u32::MAX, 0..u32::MAX, 0..u32::MAX, 0..u32::MAX].prop_map(|p| {
            let [p, r, bad, good] = p.map(Probability);
            NetemLoss::GilbertElliott { p, r, bad, good }
        }),
    ];
    let nanos = || (1..u64::from(u32::MAX) * 1000).prop_map(Duration::from_nanos);
    let jitter = (1..=i32::MAX.unsigned_abs()).prop_map(|nanos| Duration::from_nanos(nanos.into()));
    let times = (nanos(), jitter, share(), any::<u32>(), loss);
    let shares = (share(), share(), share(), share(), share(), share(), 1..100_u32);
    let rate = (wide_rate(), any::<i32>(), any::<u32>(), any::<i32>()).prop_map(
        |(rate, packet_overhead, cell_size, cell_overhead)| NetemRate {
            rate,
            packet_overhead,
            cell_size,
            cell_overhead,
        },
    );
    let slot = (nanos(), nanos(), 0..i32::MAX.unsigned_abs(), 0..i32::MAX.unsigned_abs()).prop_map(
        |(min_delay, more, max_packets, max_bytes)| {
            NetemSlot::between(min_delay, min_delay + more).max_packets(max_packets).max_bytes(max_bytes)
        },
    );
    (times, shares, option::of(rate), option::of(slot)).prop_map(
        |((delay, jitter, dc, limit, loss), (dup, dupc, re, rec, co, coc, gap), rate, slot)| {
            let mut c =
                NetemConfig::new().delay(delay).jitter(jitter).delay_correlation(dc).limit(limit).loss(loss);
            (c.duplicate, c.duplicate_correlation, c.corrupt, c.corrupt_correlation) = (dup, dupc, co, coc);
            (c.rate, c.slot) = (rate, slot);
            if re != Probability::NEVER {
                (c.reorder, c.reorder_correlation, c.gap) = (re, rec, gap);
            }
            c.into()
        },
    )
}

fn any_qdisc() -> impl Strategy<Value = QdiscConfig> {
    let fq_codel = (
        (option::of(1..=u32::MAX), option::of(1..=65_536_u32)),
        (option::of(256..=(1_u32 << 20)), option::of(any::<bool>())),
        (option::of(any::<(u8, u8)>()), option::of(0..=(1_u32 << 31)), option::of(1..u32::MAX)),
    )
        .prop_map(|((limit, flows), (quantum, ecn), (selector, memory, batch))| {
            let mut c = FqCodelConfig::new();
            (c.limit, c.flows) = (limit, flows);
            (c.quantum, c.ecn) = (quantum, ecn);
            (c.ce_threshold_selector, c.memory_limit, c.drop_batch) = (selector, memory, batch);
            QdiscConfig::from(c)
        });
    let sfq =
        (
            (option::of(1..(1_u32 << 31)), 0..=i32::MAX.unsigned_abs(), option::of(2..=127_u32)),
            (option::of(0..=16_u32), option::of(1..=65_408_u32), any::<bool>()),
            option::of((1..u32::MAX, any::<[u8; 4]>(), any::<[u32; 3]>())),
        )
            .prop_map(|((quantum, perturb, limit), (divisor, flows, headdrop), red)| {
                let mut c = SfqConfig::new().perturb(Duration::from_secs(perturb.into())).headdrop(headdrop);
                (c.quantum, c.limit, c.divisor, c.flows) = (quantum, limit, divisor.map(|n| 1 << n), flows);
                c.red = red.map(|(min, [wlog, plog, scell_log, flags], [limit, max, max_probability])| {
                    SfqRed { limit, min, max, wlog, plog, scell_log, flags, max_probability }
                });
                QdiscConfig::from(c)
            });
    let ticks = || (1..u32::MAX).prop_map(|ticks| Burst::Time(Duration::from_nanos(u64::from(ticks) * 64)));
    let tbf = (wide_rate(), ticks(), 1..u32::MAX - 1, option::of(ticks())).prop_map(
        |(rate, burst, limit, peak)| {
            let config = TbfConfig::new(rate, burst).limit(limit);
            match peak.filter(|_| rate < Rate::bps(u64::MAX - 2)) {
                Some(burst) => config.peak_rate(Rate::bps(rate.bytes_per_second() + 1), burst).into(),
                None => QdiscConfig::from(config),
            }
        },
    );
    let ets = (1..=16_u8, 0..=16_u8, vec(256..=(1_u32 << 20), 0..16), vec(0..16_u8, 0..=16)).prop_map(
        |(bands, strict, mut quanta, priomap)| {
            let strict = strict.min(bands);
            quanta.truncate((bands - strict).into());
            let priomap = priomap.into_iter().map(|band| band.min(bands - 1));
            QdiscConfig::from(EtsConfig::new(bands).strict(strict).quanta(quanta).priomap(priomap))
        },
    );
    prop_oneof![
        (any::<u16>(), 1..u32::MAX, option::of(any::<u32>()), any::<bool>()).prop_map(
            |(class, r2q, qlen, offload)| {
                let mut c = HtbConfig::new().default_class(class).r2q(r2q).offload(offload);
                c.direct_qlen = qlen;
                QdiscConfig::from(c)
            }
        ),
        any::<u16>().prop_map(|class| HfscConfig::new().default_class(class).into()),
        any::<u32>().prop_map(|limit| PfifoConfig::new().limit(limit).into()),
        any::<u32>().prop_map(|limit| BfifoConfig::new().limit(limit).into()),
        ets,
        fq_codel,
        netem(),
        sfq,
        tbf,
    ]
}

proptest! {
    #[test]
    fn class_round_trips(config in any_class()) {
        let class = Class::new(2, CLASS, config);
        let mut request = class.request(TcVerb::Replace);
        let bytes = request.encoded().unwrap().to_vec();
        let read = Class::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        prop_assert!(class.config.is_met_by(&read.config), "{:?}\n{:?}", class.config, read.config);
        // The decoded object is exact: it encodes to the same bytes.
        let mut back = read.request(TcVerb::Replace);
        prop_assert_eq!(back.encoded().unwrap(), &bytes);
        prop_assert!(read.config.is_met_by(&read.config));
        let again = Class::decode(MessageRef::parse(read.request(TcVerb::Replace).encoded().unwrap()).unwrap()).unwrap();
        prop_assert_eq!(again, read);
    }

    #[test]
    fn qdisc_round_trips(config in any_qdisc()) {
        let qdisc = Qdisc::new(2, TcHandle::ROOT, config).handle(TcHandle::new(1, 0));
        let mut request = qdisc.request(TcVerb::Add);
        let bytes = request.encoded().unwrap().to_vec();
        let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        let mut again = read.request(TcVerb::Add);
        prop_assert_eq!(again.encoded().unwrap(), &bytes, "{:?}", read);
        let again = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        prop_assert_eq!(&again, &read);
        if !matches!(qdisc.config, QdiscConfig::Htb(_)) {
            prop_assert_eq!(read.config, qdisc.config);
        }
    }

    /// The kernel reports another time than it received, but a decoded time that is written back is reported the same.
    #[test]
    fn fq_codel_time_written_back_stays_the_same(micros in 0..=u32::MAX - 2) {
        let reported = |micros: u32| {
            let nanos = u64::from(micros) * 1000;
            u32::try_from((nanos >> 10) * 1024 / 1000).unwrap()
        };
        let read = |micros: u32| {
            let mut request = nl_core::Request::unnamed(36).with_header(&TcMsg::default());
            request.attrs().str(1, "fq_codel").nested(2).u32(1, micros);
            match Qdisc::decode(MessageRef::from(&request)).unwrap().config {
                QdiscConfig::FqCodel(config) => config,
                other => panic!("{other:?}"),
            }
        };
        let first = read(reported(micros));
        let asked = FqCodelConfig::new().target(Duration::from_micros(micros.into()));
        prop_assert!(QdiscConfig::from(asked).is_met_by(&first.clone().into()));
        let again = u32::try_from(first.target.unwrap().as_micros()).unwrap();
        prop_assert_eq!(reported(again), reported(micros));
        prop_assert_eq!(read(reported(again)), first);
    }

    #[test]
    fn filter_round_trips(
        class in 1..=u16::MAX,
        keys in vec((any::<u32>(), any::<u32>(), -100..100_i32), 1..10),
        priority in 1..u16::MAX,
        protocol in any::<u16>(),
        all in any::<bool>(),
    ) {
        let class = TcHandle::new(1, class);
        let keys = keys.into_iter().map(|(value, mask, at)| U32Key::at(at * 4, value & mask, mask));
        let config = if all { Matchall::new(class).into() } else { nl_tc::filter::FilterConfig::from(U32::new(class, keys)) };
        let filter = Filter::new(2, TcHandle::new(1, 0), config).priority(priority).protocol(protocol);
        let mut request = filter.request(TcVerb::Add);
        let read = Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
        prop_assert_eq!(read, filter);
    }

    /// Any attributes after a valid header, for every kind.
    #[test]
    fn arbitrary_bytes_never_panic(
        message in 36..=46_u16,
        kind in prop::sample::select(vec![
            "htb", "hfsc", "drr", "qfq", "ets", "fq_codel", "sfq", "netem", "tbf", "pfifo", "bfifo", "clsact", "u32",
            "matchall", "cake", "fq", "bpf", "fw", "flower", "prio", "codel", "pie", "fq_pie", "red",
            "cbs", "etf", "mqprio", "taprio", "cake_mq", "other",
        ]),
        head in vec(any::<u8>(), 0..24),
        attrs in vec((0..18_u16, vec((0..12_u16, vec(any::<u8>(), 0..80)), 0..4), any::<bool>()), 0..6),
        tail in vec(any::<u8>(), 0..8),
    ) {
        let mut buf = nl_core::attr::AttrBuf::new();
        let mut w = buf.writer();
        w.str(1, kind);
        for (number, inner, nested) in &attrs {
            if *nested {
                let mut nest = w.nested(*number);
                for (number, value) in inner {
                    nest.bytes(*number, value);
                }
            } else if let Some((_, value)) = inner.first() {
                w.bytes(*number, value);
            }
        }
        let mut payload = head;
        if payload.len() >= 20 {
            payload.truncate(20);
            payload.extend(buf.finish().unwrap());
        }
        payload.extend(tail);
        let message = MessageRef::from_parts(message, NLM_F_REPLACE, &payload);
        if let Ok(class) = Class::decode(message) {
            check(&class.to_string(), class.request(TcVerb::Replace));
            let _ = class.config.is_met_by(&class.config);
        }
        if let Ok(qdisc) = Qdisc::decode(message) {
            check(&qdisc.to_string(), qdisc.request(TcVerb::Replace));
            let _ = qdisc.config.is_met_by(&qdisc.config);
        }
        if let Ok(filter) = Filter::decode(message) {
            check(&filter.to_string(), filter.request(TcVerb::Replace));
        }
    }
}

/// It prints, and it is encoded or refused with a text.
fn check(text: &str, mut request: nl_core::Request) {
    assert!(!text.is_empty());
    if let Err(error) = request.encoded() {
        assert!(error.is_usage(), "{error}");
    }
    let _ = request.describe();
}
