//! Small BPF programs for tests that hand one to the kernel.

use std::{io, os::fd::OwnedFd};

use crate::sys;

/// What a program says about a packet (`enum bpf_ret_code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BpfVerdict {
    /// It is dropped (`BPF_DROP`).
    Drop,
    /// It goes on (`BPF_OK`).
    Ok,
}

/// Loads a program for filters of traffic control (`BPF_PROG_TYPE_SCHED_CLS`) that says the same about every packet. With
/// `direct-action` that decides: `TC_ACT_OK` and `TC_ACT_SHOT` have the numbers of [`BpfVerdict`].
///
/// Needs `CAP_BPF` and `CAP_NET_ADMIN` in the initial user namespace, so tests declare `host_root`.
///
/// # Errors
///
/// When the privilege is missing, or the kernel was built without `CONFIG_BPF_SYSCALL`.
pub fn load_sched_cls(verdict: BpfVerdict) -> io::Result<OwnedFd> {
    load(BPF_PROG_TYPE_SCHED_CLS, verdict)
}

/// Loads a program for local SIDs (`BPF_PROG_TYPE_LWT_SEG6LOCAL`) that says the same about every packet.
///
/// Needs `CAP_BPF` and `CAP_NET_ADMIN` in the initial user namespace, so tests declare `host_root`.
///
/// # Errors
///
/// When the privilege is missing, or the kernel was built without `CONFIG_IPV6_SEG6_BPF`.
pub fn load_seg6local(verdict: BpfVerdict) -> io::Result<OwnedFd> {
    load(BPF_PROG_TYPE_LWT_SEG6LOCAL, verdict)
}

fn load(kind: u32, verdict: BpfVerdict) -> io::Result<OwnedFd> {
    let verdict: i32 = match verdict {
        BpfVerdict::Ok => 0,
        BpfVerdict::Drop => 2,
    };
    let [a, b, c, d] = verdict.to_ne_bytes();
    let returned = [MOV64_IMM_TO_R0, 0, 0, 0, a, b, c, d];
    sys::load_bpf_program(kind, &[returned, [EXIT, 0, 0, 0, 0, 0, 0, 0]])
}

// include/uapi/linux/bpf.h
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_LWT_SEG6LOCAL: u32 = 19;
/// `BPF_ALU64 | BPF_MOV | BPF_K`
const MOV64_IMM_TO_R0: u8 = 0xb7;
/// `BPF_JMP | BPF_EXIT`
const EXIT: u8 = 0x95;
