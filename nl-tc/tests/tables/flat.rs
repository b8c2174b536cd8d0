//! DRR, QFQ and ETS: every option of their qdiscs and classes.

use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::qfq::{QfqClassConfig, QfqConfig};

use super::{ClassLine, QdiscLine};

pub(crate) fn drr_qdiscs() -> Vec<QdiscLine> {
    vec![("drr", DrrConfig::new().into())]
}

pub(crate) fn drr_classes() -> Vec<ClassLine> {
    let quantum = |bytes: u32| DrrClassConfig::new().quantum(bytes).into();
    vec![
        ("", DrrClassConfig::new().into()),
        ("quantum 256", quantum(256)),
        ("quantum 1500b", quantum(1500)),
        ("quantum 2k", quantum(2048)),
        ("quantum 3000", quantum(3000)),
        ("quantum 1mb", quantum(1 << 20)),
    ]
}

pub(crate) fn qfq_qdiscs() -> Vec<QdiscLine> {
    vec![("qfq", QfqConfig::new().into())]
}

pub(crate) fn qfq_classes() -> Vec<ClassLine> {
    let weight = QfqClassConfig::new;
    vec![
        ("", weight(1).into()),
        ("weight 1", weight(1).into()),
        ("weight 10", weight(10).into()),
        ("weight 1024", weight(1024).into()),
        ("maxpkt 512", weight(1).maxpkt(512).into()),
        ("maxpkt 2048", weight(1).maxpkt(2048).into()),
        ("weight 10 maxpkt 2048", weight(10).maxpkt(2048).into()),
        ("weight 1024 maxpkt 65536", weight(1024).maxpkt(65_536).into()),
    ]
}

pub(crate) fn ets_qdiscs() -> Vec<QdiscLine> {
    let ets = EtsConfig::new;
    vec![
        ("ets bands 1", ets(1).into()),
        ("ets bands 4", ets(4).into()),
        ("ets bands 16", ets(16).into()),
        ("ets strict 3", ets(3).strict(3).into()),
        ("ets bands 4 strict 2", ets(4).strict(2).into()),
        ("ets quanta 1500 3000", ets(2).quanta([1500, 3000]).into()),
        ("ets bands 4 quanta 1500 3000", ets(4).quanta([1500, 3000]).into()),
        ("ets bands 5 strict 2 quanta 1500 3000 256", ets(5).strict(2).quanta([1500, 3000, 256]).into()),
        ("ets bands 3 priomap 0 1 2 0 1", ets(3).priomap([0, 1, 2, 0, 1]).into()),
        (
            "ets bands 3 strict 1 quanta 1500 1500 priomap 2 2 2 2 1 1 1 1 0 0 0 0 2 1 0 2",
            ets(3)
                .strict(1)
                .quanta([1500, 1500])
                .priomap([2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 2, 1, 0, 2])
                .into(),
        ),
    ]
}

pub(crate) fn ets_classes() -> Vec<ClassLine> {
    vec![
        ("quantum 256", EtsClassConfig::new(256).into()),
        ("quantum 1500", EtsClassConfig::new(1500).into()),
        ("quantum 3000", EtsClassConfig::new(3000).into()),
        ("quantum 1048576", EtsClassConfig::new(1 << 20).into()),
    ]
}
