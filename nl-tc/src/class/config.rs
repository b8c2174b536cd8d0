use crate::kinds::kinds;

kinds! {
    /// The configuration of a class, by kind.
    ClassConfig;
    /// See [`drr`](crate::drr).
    "drr" Drr(crate::drr::DrrClassConfig) "drr";
    /// See [`ets`](crate::ets).
    "ets" Ets(crate::ets::EtsClassConfig) "ets";
    /// See [`hfsc`](crate::hfsc).
    "hfsc" Hfsc(crate::hfsc::HfscClassConfig) "hfsc";
    /// See [`htb`](crate::htb).
    "htb" Htb(crate::htb::HtbClassConfig) "htb";
    /// See [`qfq`](crate::qfq).
    "qfq" Qfq(crate::qfq::QfqClassConfig) "qfq";
}
