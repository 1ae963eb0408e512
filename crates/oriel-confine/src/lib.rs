//! Takes a process's rights away, for good, before it runs code that it does not trust.
//!
//! [`Confinement::enter`] leaves a process what computing needs: memory up to a limit, threads, clocks, randomness, and whatever
//! descriptors it holds. It can then open no file, make no connection, start no program, and reach no other process, however
//! it got to make the system call: the rules are the kernel's. Three layers, each of which would do for most of it:
//!
//! - **seccomp**: system calls that are not on the list (`calls.rs`) fail with `EPERM`.
//! - **Landlock**: no path of the file system may be used, no TCP port connected to or bound. Kernels from 5.13 on have it, if it
//!   is built in; [`Held::landlock`] says how much of it holds.
//! - **Limits** (`setrlimit`): writable memory, descriptors, no core dumps; and the process cannot be traced by others.
//!
//! Call it while the process has one thread, or accept that Landlock and the limits on older kernels bind the calling thread
//! and those that it starts; seccomp binds all.
//!
//! What it is not: it hides nothing that the process has read before, and it does not bound processor time. It knows nothing of
//! extensions. Start reading at [`Confinement`].

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod linux;

/// What a process keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// Bytes of private writable memory, whatever it is for (`RLIMIT_DATA`). Reserved address space that is not writable does not
    /// count.
    pub memory: u64,
    /// Descriptors that may be open at a time, those that are open already included.
    pub descriptors: u64,
}

/// How far files and ports are kept away by Landlock, beside seccomp, which holds in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// In every respect that this version knows.
    Full,
    /// In those respects that this kernel knows.
    Partial,
    /// The kernel has none.
    Absent,
}

/// What holds from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The second layer. The others hold, or there was an error.
    pub landlock: Landlock,
}

/// Why a process could not be confined. It may be confined in part: end it.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A limit cannot be set.
    #[error("the limit of {what} cannot be set")]
    Limit {
        /// Of what.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refuses the filter of system calls.
    #[error("system calls cannot be filtered: {reason}")]
    Seccomp {
        /// Why.
        reason: String,
    },
    /// The kernel refuses to keep files away.
    #[error("files cannot be kept away: {reason}")]
    Landlock {
        /// Why.
        reason: String,
    },
    /// This is not Linux, or a processor that no filter is known for.
    #[error("processes can be confined on Linux only, on x86-64, aarch64 and riscv64")]
    Unsupported,
}

impl Confinement {
    /// Confines the calling process. There is no way back.
    ///
    /// # Errors
    /// When a layer that this kernel must have cannot be had. The process is then confined in part, and must not run what it does
    /// not trust.
    pub fn enter(&self) -> Result<Held, ConfineError> {
        #[cfg(target_os = "linux")]
        return linux::enter(self);
        #[cfg(not(target_os = "linux"))]
        return Err(ConfineError::Unsupported);
    }
}
