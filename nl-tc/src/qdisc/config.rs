use crate::kinds::kinds;

kinds! {
    /// The configuration of a qdisc, by kind.
    QdiscConfig;
    /// See [`leaf`](crate::leaf).
    "leaf" Bfifo(crate::leaf::BfifoConfig) "bfifo";
    /// See [`leaf`](crate::leaf).
    "leaf" Clsact(crate::leaf::Clsact) "clsact";
    /// See [`drr`](crate::drr).
    "drr" Drr(crate::drr::DrrConfig) "drr";
    /// See [`ets`](crate::ets).
    "ets" Ets(crate::ets::EtsConfig) "ets";
    /// See [`leaf`](crate::leaf).
    "leaf" FqCodel(crate::leaf::FqCodelConfig) "fq_codel";
    /// See [`hfsc`](crate::hfsc).
    "hfsc" Hfsc(crate::hfsc::HfscConfig) "hfsc";
    /// See [`htb`](crate::htb).
    "htb" Htb(crate::htb::HtbConfig) "htb";
    /// See [`leaf`](crate::leaf).
    "leaf" Ingress(crate::leaf::Ingress) "ingress";
    /// See [`leaf`](crate::leaf).
    "leaf" Netem(crate::leaf::NetemConfig) "netem";
    /// See [`leaf`](crate::leaf).
    "leaf" Pfifo(crate::leaf::PfifoConfig) "pfifo";
    /// See [`qfq`](crate::qfq).
    "qfq" Qfq(crate::qfq::QfqConfig) "qfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Sfq(crate::leaf::SfqConfig) "sfq";
    /// See [`leaf`](crate::leaf).
    "leaf" Tbf(crate::leaf::TbfConfig) "tbf";
}

impl QdiscConfig {
    /// Whether a [tree](crate::tree) can have classes in it.
    pub(crate) fn has_classes(&self) -> bool {
        matches!(self.kind(), "drr" | "ets" | "hfsc" | "htb" | "qfq")
    }

    /// Ingress and clsact have a parent and a handle of their own.
    pub(crate) fn is_ingress(&self) -> bool {
        matches!(self.kind(), "ingress" | "clsact")
    }
}
