//! The system calls that are left.
//!
//! The list is what Rust's standard library, tokio on one thread and a WebAssembly engine need once everything is set up: memory,
//! threads, waiting, time, randomness, and reading and writing descriptors that are open. Nothing on it names a file, an
//! address, or another process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::ConfineError;

/// Calls that are allowed whatever their arguments are.
const FREELY: &[i64] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // memory that has a descriptor and no name: images of instances are made of it
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // threads; starting one is below
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // signals to itself: an engine turns faults into traps
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // waiting
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    // time, randomness, what was used
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    // descriptors that are open
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
];

/// What older interfaces of this processor have beside them.
#[cfg(target_arch = "x86_64")]
const FREELY_HERE: &[i64] = &[libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const FREELY_HERE: &[i64] = &[];

/// What `prctl` may set: names of threads and of memory.
const PRCTL: [u64; 2] = [libc::PR_SET_NAME as u64, 0x5356_4d41];
/// What `fcntl` may do: flags, copies of descriptors, seals.
const FCNTL: [u64; 7] = [
    libc::F_GETFD as u64,
    libc::F_SETFD as u64,
    libc::F_GETFL as u64,
    libc::F_SETFL as u64,
    libc::F_DUPFD_CLOEXEC as u64,
    libc::F_ADD_SEALS as u64,
    libc::F_GET_SEALS as u64,
];

/// A filter under which only what is on the lists above, or is allowed with these arguments, is done; the rest fails
/// with `EPERM`.
pub(crate) fn allowed() -> Result<BpfProgram, ConfineError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = FREELY.iter().chain(FREELY_HERE).map(|call| (*call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let thread = libc::CLONE_THREAD as u64;
    // A thread of this process, and no process.
    rules.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // Answered by the other filter: it must get there.
    rules.insert(libc::SYS_clone3, Vec::new());
    rules.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, own)?]);
    // Reading limits, not setting them.
    rules.insert(libc::SYS_prlimit64, vec![rule(2, SeccompCmpOp::Eq, 0)?]);
    rules.insert(libc::SYS_prctl, any(0, &PRCTL)?);
    rules.insert(libc::SYS_fcntl, any(1, &FCNTL)?);
    rules.insert(libc::SYS_ioctl, any(1, &[libc::FIONBIO])?);
    // On a connection that is there: an address would be a new way out.
    rules.insert(libc::SYS_sendto, vec![rule(4, SeccompCmpOp::Eq, 0)?]);
    program(rules, SeccompAction::Errno(errno(libc::EPERM)), SeccompAction::Allow)
}

/// A filter under which `clone3` does not exist, so that the C library falls back to `clone`, whose flags can be looked at.
pub(crate) fn without_clone3() -> Result<BpfProgram, ConfineError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    program(rules, SeccompAction::Allow, SeccompAction::Errno(errno(libc::ENOSYS)))
}

const fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

fn any(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, ConfineError> {
    values.iter().map(|value| low(argument, *value)).collect()
}

/// Compares all 64 bits of an argument.
fn rule(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, ConfineError> {
    let condition = SeccompCondition::new(argument, Qword, how, value).map_err(unusable)?;
    SeccompRule::new(vec![condition]).map_err(unusable)
}

/// Compares the lower half of an argument, which is all that the kernel looks at of an `int`.
fn low(argument: u8, value: u64) -> Result<SeccompRule, ConfineError> {
    let condition = SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value).map_err(unusable)?;
    SeccompRule::new(vec![condition]).map_err(unusable)
}

fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, otherwise: SeccompAction, listed: SeccompAction) -> Result<BpfProgram, ConfineError> {
    let here = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| ConfineError::Unsupported)?;
    let filter = SeccompFilter::new(rules, otherwise, listed, here).map_err(unusable)?;
    BpfProgram::try_from(filter).map_err(unusable)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn unusable(error: seccompiler::BackendError) -> ConfineError {
    ConfineError::Seccomp { reason: error.to_string() }
}
