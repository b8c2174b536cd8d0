//! `TCA_CLS_FLAGS_*`, `include/uapi/linux/pkt_cls.h`.

const IN_HW: u32 = 1 << 2;
const NOT_IN_HW: u32 = 1 << 3;

/// Whether these flags only say where the filter is carried out. The kernel sets them, and refuses them in a request.
pub(super) const fn is_status(flags: u32) -> bool {
    flags & !(IN_HW | NOT_IN_HW) == 0
}
