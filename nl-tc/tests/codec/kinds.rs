//! The kinds of qdiscs that came later: what is set is read back and written again as the same bytes, and what the kernel would refuse
//! or misread is refused with the limit.

use std::time::Duration;

use nl_core::message::MessageRef;
use nl_tc::leaf::{
    CakeConfig, CakeMqConfig, CbsConfig, CodelConfig, EtfConfig, FqPieConfig, MqprioConfig, NetemConfig,
    NetemDistribution, NetemSlot, PieConfig, RedAverage, RedConfig, TaprioConfig, TaprioEntry,
    TrafficClasses,
};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{Rate, TcHandle, TcMsg, TcVerb};

use crate::refused;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The request that adds it at the root.
fn added(config: &QdiscConfig) -> Vec<u8> {
    let qdisc = Qdisc::new(2, TcHandle::ROOT, config.clone()).handle(TcHandle::new(1, 0));
    qdisc.request(TcVerb::Add).encoded().unwrap().to_vec()
}

/// As it is read from these bytes.
fn read(bytes: &[u8]) -> Qdisc {
    Qdisc::decode(MessageRef::parse(bytes).unwrap()).unwrap()
}

fn round_trips(config: impl Into<QdiscConfig>) {
    let config = config.into();
    let bytes = added(&config);
    let back = read(&bytes);
    assert_eq!(back.config, config);
    assert!(config.is_met_by(&back.config), "{config}");
    assert!(back.config.is_met_by(&back.config), "{config}");
    assert_eq!(back.request(TcVerb::Add).encoded().unwrap(), bytes, "{config}");
}

fn is_refused(config: impl Into<QdiscConfig>, why: &str) {
    let text = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Add));
    assert!(text.contains(why), "{text}");
}

#[test]
fn codel_pie_and_fq_pie_round_trip() {
    round_trips(CodelConfig::new());
    round_trips(CodelConfig::new().limit(5).ecn(false));
    round_trips(PieConfig::new());
    let pie = PieConfig::new().limit(5).target(ms(16)).tupdate(ms(20)).alpha(1).beta(32);
    round_trips(pie.ecn(true).bytemode(false).dq_rate_estimator(true));
    let fq_pie = FqPieConfig::new().limit(5).flows(7).target(ms(16)).tupdate(ms(20)).alpha(1).beta(32);
    round_trips(fq_pie.quantum(300).memory_limit(1 << 20).ecn_prob(25).ecn(false).bytemode(true));
}

/// The kernel reports another time than it received; one that is written back is reported the same.
#[test]
fn pie_target_written_back_stays_the_same() {
    for micros in (0..4000).chain([15_000, 20_001, 4_294_960, 4_294_967]) {
        let reported = |micros: u64| micros * 1000 / 64 * 64 / 1000;
        let asked = QdiscConfig::from(PieConfig::new().target(Duration::from_micros(micros)));
        let first = read(&added(&PieConfig::new().target(Duration::from_micros(reported(micros))).into()));
        let QdiscConfig::Pie(first) = first.config else { panic!("{first:?}") };
        assert!(asked.is_met_by(&first.into()), "{micros}: {first:?}");
        let again = u64::try_from(first.target.unwrap().as_micros()).unwrap();
        assert_eq!(reported(again), reported(micros), "{micros}");
    }
}

#[test]
fn what_a_delay_controller_would_misread_is_refused() {
    is_refused(CodelConfig::new().limit(0), "limit 0; 1 to 4294967295 are possible");
    is_refused(CodelConfig::new().target(Duration::ZERO), "target 0; 1us is the minimum");
    is_refused(CodelConfig::new().interval(Duration::ZERO), "interval 0; 1us is the minimum");
    is_refused(PieConfig::new().limit(0), "limit 0; 1 to 4294967295 are possible");
    is_refused(PieConfig::new().alpha(33), "alpha 33; 0 to 32 are possible");
    is_refused(PieConfig::new().target(Duration::from_secs(5)), "target 5s; 4.294967s are possible");
    is_refused(PieConfig::new().tupdate(Duration::ZERO), "tupdate 0; 1us is the minimum");
    is_refused(FqPieConfig::new().flows(65_537), "flows 65537; 1 to 65536 are possible");
    is_refused(FqPieConfig::new().quantum(0), "quantum 0; 1 to 2147483647 are possible");
    is_refused(FqPieConfig::new().ecn_prob(101), "ecn_prob 101; 0 to 100 are possible");
}

#[test]
fn red_is_computed_like_tc() {
    let average = RedAverage::new(1000).min(8000).max(60_000).burst(20).probability(0.1);
    let red = RedConfig::new(400_000, &average).unwrap();
    // What tc sends for `sfq … min 8000 max 60000 avpkt 1000 burst 20 probability 0.1`.
    assert_eq!((red.wlog, red.plog, red.max_probability), (5, 19, 0x1999_9999));
    // 1000 bytes at 10 Mbit/s are 12500 ticks.
    assert_eq!(red.scell_log, 15);
    let table = added(&red.clone().into());
    let header = [260_u16, 2].map(u16::to_ne_bytes).concat();
    let at = table.windows(4).position(|attr| attr == header).unwrap() + 4;
    // An idle slot is 2^15 ticks, in which the average falls by 0.0832.
    assert_eq!((table[at], table[at + 12], table[at + 13], table[at + 255]), (0, 0, 1, 31));
    round_trips(red.clone());
    round_trips(red.ecn(true).harddrop(true).adaptive(true).nodrop(true).early_drop_block(1).mark_block(2));
}

/// The kernel does not report the table, so what was read cannot be written until it is computed.
#[test]
fn red_that_was_read_is_refused_until_its_table_is_computed() {
    let average = RedAverage::new(1000);
    let red = RedConfig::new(400_000, &average).unwrap();
    let mut reported = nl_core::Request::unnamed(36).with_header(&TcMsg::default());
    let [limit, min, max] = [red.limit, red.min, red.max].map(u32::to_ne_bytes);
    let parms = [limit, min, max, [red.wlog, red.plog, red.scell_log, 0]];
    let mut w = reported.attrs();
    w.str(1, "red").nested(2).bytes(1, parms.as_flattened()).u32(3, red.max_probability);
    let QdiscConfig::Red(back) = read(reported.encoded().unwrap()).config else { panic!("no RED") };
    assert!(QdiscConfig::from(red.clone()).is_met_by(&back.clone().into()));
    is_refused(back.clone(), "RedConfig::idle() computes it");
    assert_eq!(back.idle(1000, Rate::mbit(10)).unwrap(), red);
}

#[test]
fn what_red_cannot_compute_is_refused() {
    let new = |average: &RedAverage| RedConfig::new(400_000, average).map(drop).unwrap_err().to_string();
    let average = RedAverage::new(1000);
    assert!(new(&RedAverage::new(0)).contains("avpkt 0; 1 byte is the minimum"));
    let few = new(&average.min(30_000).burst(1));
    assert!(few.contains("burst 1; 31 is the minimum for min 30000 and avpkt 1000"), "{few}");
    assert!(new(&average.probability(1.5)).contains("probability 1.5; 0 to 1 are possible"));
    let crossed = new(&average.min(90_000).max(30_000).burst(100));
    assert!(crossed.contains("max 30000; the minimum, 90000, or more is possible"), "{crossed}");
    let red = RedConfig::new(400_000, &average).unwrap();
    is_refused(red.nodrop(true), "nodrop needs ecn");
}

#[test]
fn cbs_etf_mqprio_taprio_and_cake_mq_round_trip() {
    round_trips(
        CbsConfig::new().hicredit(30).locredit(-1470).sendslope(-980_000).idleslope(20_000).offload(true),
    );
    round_trips(
        EtfConfig::new(Duration::from_micros(300)).deadline_mode(true).offload(true).skip_sock_check(true),
    );
    let classes = TrafficClasses::new(3, MAP).queues([(1, 0), (1, 1), (2, 2)]);
    round_trips(MqprioConfig::new(classes.clone()));
    let hardware = MqprioConfig::new(classes.clone()).offload(true).mode(MqprioConfig::CHANNEL);
    let rates = [Rate::gbit(1), Rate::gbit(2), Rate::gbit(40)];
    round_trips(
        hardware.shaper(MqprioConfig::BW_RLIMIT).min_rates(rates).max_rates(rates).preemptible(0b101),
    );
    let taprio = TaprioConfig::new(classes).clock(TaprioConfig::CLOCK_TAI).cycle_time(ms(2)).base_time(-5);
    round_trips(
        taprio
            .cycle_time_extension(ms(1))
            .set_gates(3, ms(1))
            .entry(TaprioEntry { command: 1, gates: 4, interval: ms(1) })
            .txtime_assist(true)
            .txtime_delay(ms(3))
            .max_sdu([0, 300])
            .preemptible(0b100),
    );
    round_trips(CakeMqConfig(CakeConfig::new().bandwidth(Rate::gbit(1)).nat(true)));
    let distribution = NetemDistribution::new("", [-8192, 0, 8192]);
    round_trips(NetemConfig::new().delay(ms(100)).jitter(ms(10)).distribution(distribution.clone()));
    let slot = NetemSlot::spread(ms(2), ms(1)).max_packets(5);
    round_trips(NetemConfig::new().slot(slot).slot_distribution(distribution));
}

/// Without a cycle time, the kernel reports the sum of the intervals, and all traffic classes without a limit.
#[test]
fn taprio_that_the_kernel_completed_is_met() {
    let taprio = TaprioConfig::new(TrafficClasses::new(2, [0; 16]).queues([(1, 0), (1, 1)]));
    let desired = taprio.clock(TaprioConfig::CLOCK_TAI).set_gates(1, ms(1)).set_gates(2, ms(2));
    let reported = desired.clone().cycle_time(ms(3));
    assert!(QdiscConfig::from(desired.clone()).is_met_by(&reported.clone().into()));
    assert!(QdiscConfig::from(desired.clone()).is_met_by(&reported.clone().max_sdu([300]).into()));
    assert!(!QdiscConfig::from(desired.clone().max_sdu([200])).is_met_by(&reported.clone().into()));
    assert!(!QdiscConfig::from(desired).is_met_by(&reported.cycle_time(ms(4)).into()));
}

#[test]
fn what_queues_cannot_have_is_refused() {
    let classes = || TrafficClasses::new(3, MAP).queues([(1, 0), (1, 1), (2, 2)]);
    is_refused(MqprioConfig::new(TrafficClasses::new(0, MAP)), "num_tc 0; 1 to 16 are possible");
    is_refused(MqprioConfig::new(TrafficClasses::new(2, MAP)), "map to traffic class 2; 0 to 1 are possible");
    let few = TrafficClasses::new(3, MAP).queues([(1, 0)]);
    is_refused(MqprioConfig::new(few), "queues of 1 traffic classes; those of 3 are needed");
    is_refused(MqprioConfig::new(classes()).mode(1), "mode, shaper, rates and fp need hw 1");
    let rated = MqprioConfig::new(classes()).offload(true).min_rates([Rate::gbit(1)]);
    is_refused(rated, "min_rate without the shaper bw_rlimit");
    is_refused(
        MqprioConfig::new(classes()).offload(true).preemptible(8),
        "fp of a traffic class that does not exist",
    );
    let taprio = || TaprioConfig::new(classes()).clock(TaprioConfig::CLOCK_TAI);
    is_refused(taprio(), "a schedule without entries; one is the minimum");
    is_refused(taprio().set_gates(1, Duration::from_secs(5)), "interval 5s; 4.294967295s are possible");
    is_refused(taprio().set_gates(1, ms(1)).txtime_delay(ms(1)), "txtime-delay needs txtime_assist");
    is_refused(TaprioConfig::new(classes()).set_gates(1, ms(1)), "a schedule without a clock");
    is_refused(EtfConfig::new(Duration::from_secs(3)), "delta 3s; 2.147483647s are possible");
    is_refused(
        CakeMqConfig(CakeConfig::new().autorate(true)),
        "autorate-ingress, which cake_mq does not have",
    );
    let spread = NetemConfig::new().delay(ms(1)).distribution(NetemDistribution::normal());
    is_refused(spread, "a distribution needs a jitter, which it spreads");
    let empty = NetemDistribution::new("", []);
    is_refused(
        NetemConfig::new().delay(ms(1)).jitter(ms(1)).distribution(empty),
        "a distribution of 0 values; 1 to 16384 are possible",
    );
    let error = NetemDistribution::parse("own", "1 2 40000").unwrap_err().to_string();
    assert!(error.contains("\"40000\" in the distribution own; -32768 to 32767 are possible"), "{error}");
}

#[test]
fn computed_distributions_have_the_mean_and_the_deviation_they_should() {
    for (distribution, first, least, most) in [
        (NetemDistribution::normal(), -32_768, 0.97, 1.03),
        (NetemDistribution::pareto(), -5461, 0.5, 1.1),
        (NetemDistribution::paretonormal(), -12_306, 0.3, 1.1),
    ] {
        let values = distribution.values();
        assert_eq!(values.len(), 4096, "{distribution}");
        assert!(values[0].abs_diff(first) <= 1, "{distribution}: {}", values[0]);
        assert!(values.is_sorted(), "{distribution}");
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / 4096.0;
        let square = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / 4096.0;
        let deviation = square.sqrt() / 8192.0;
        assert!((least..most).contains(&deviation), "{distribution}: {deviation}");
        assert!(mean.abs() < 500.0, "{distribution}: {mean}");
    }
}

const MAP: [u8; 16] = [2, 2, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];
