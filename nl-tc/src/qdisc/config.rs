use crate::kinds::kinds;

kinds! {
    /// The configuration of a qdisc, by kind.
    QdiscConfig;
    /// See [`leaf`](crate::leaf).
    "leaf" Bfifo(crate::leaf::BfifoConfig) "bfifo";
    /// See [`leaf`](crate::leaf).
    "leaf" Cake(crate::leaf::CakeConfig) "cake";
    /// See [`leaf`](crate::leaf).
    "leaf" CakeMq(crate::leaf::CakeMqConfig) "cake_mq";
    /// See [`leaf`](crate::leaf).
    "leaf" Cbs(crate::leaf::CbsConfig) "cbs";
    /// See [`leaf`](crate::leaf).
    "leaf" Clsact(crate::leaf::Clsact) "clsact";
    /// See [`leaf`](crate::leaf).
    "leaf" Codel(crate::leaf::CodelConfig) "codel";
    /// See [`drr`](crate::drr).
    "drr" Drr(crate::drr::DrrConfig) "drr";
    /// See [`leaf`](crate::leaf).
    "leaf" Etf(crate::leaf::EtfConfig) "etf";
    /// See [`ets`](crate::ets).
    "ets" Ets(crate::ets::EtsConfig) "ets";
    /// See [`leaf`](crate::leaf).
    "leaf" Fq(crate::leaf::FqConfig) "fq";
    /// See [`leaf`](crate::leaf).
    "leaf" FqCodel(crate::leaf::FqCodelConfig) "fq_codel";
    /// See [`leaf`](crate::leaf).
    "leaf" FqPie(crate::leaf::FqPieConfig) "fq_pie";
    /// See [`hfsc`](crate::hfsc).
    "hfsc" Hfsc(crate::hfsc::HfscConfig) "hfsc";
    /// See [`htb`](crate::htb).
    "htb" Htb(crate::htb::HtbConfig) "htb";
    /// See [`leaf`](crate::leaf).
    "leaf" Ingress(crate::leaf::Ingress) "ingress";
    /// See [`leaf`](crate::leaf).
    "leaf" Mq(crate::leaf::Mq) "mq";
    /// See [`leaf`](crate::leaf).
    "leaf" Mqprio(crate::leaf::MqprioConfig) "mqprio";
    /// See [`leaf`](crate::leaf).
    "leaf" Netem(crate::leaf::NetemConfig) "netem";
    /// See [`leaf`](crate::leaf).
    "leaf" Pfifo(crate::leaf::PfifoConfig) "pfifo";
    /// See [`leaf`](crate::leaf).
    "leaf" Pie(crate::leaf::PieConfig) "pie";
    /// See [`leaf`](crate::leaf).
    "leaf" Prio(crate::leaf::PrioConfig) "prio";
    /// See [`qfq`](crate::qfq).
    "qfq" Qfq(crate::qfq::QfqConfig) "qfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Red(crate::leaf::RedConfig) "red";
    /// See [`leaf`](crate::leaf).
    "leaf" Sfq(crate::leaf::SfqConfig) "sfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Taprio(crate::leaf::TaprioConfig) "taprio";
    /// See [`leaf`](crate::leaf).
    "leaf" Tbf(crate::leaf::TbfConfig) "tbf";
}

impl QdiscConfig {
    /// Whether a [tree](crate::tree) can have classes in it.
    pub(crate) fn has_classes(&self) -> bool {
        matches!(self.kind(), "drr" | "ets" | "hfsc" | "htb" | "qfq")
    }

    /// The places for qdiscs below this one that are not classes of a [tree](crate::tree).
    pub(crate) fn places(&self) -> Places {
        match self.kind() {
            "drr" | "hfsc" | "htb" | "qfq" => Places::Classes,
            "cbs" | "netem" | "red" | "sfb" | "tbf" => Places::One,
            "bfifo" | "cake" | "cake_mq" | "choke" | "clsact" | "codel" | "etf" | "fq" | "fq_codel"
            | "fq_pie" | "gred" | "hhf" | "ingress" | "noqueue" | "pfifo" | "pfifo_fast"
            | "pfifo_head_drop" | "pie" | "plug" | "sfq" | "skbprio" => Places::None,
            // Among others ets, mq, mqprio, multiq, prio and taprio.
            _ => Places::Many,
        }
    }

    /// Ingress and clsact have a parent and a handle of their own.
    pub(crate) fn is_ingress(&self) -> bool {
        matches!(self.kind(), "ingress" | "clsact")
    }
}

/// Where qdiscs can be below a qdisc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// On the classes that are added to it.
    Classes,
    /// On classes that exist from the beginning, as many as bands or queues.
    Many,
    /// Nowhere.
    None,
    /// In one place, which the kernel finds under any minor number.
    One,
}
