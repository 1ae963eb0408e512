//! Exit statuses: derived from error codes here and nowhere else.

use oriel_model::{Blame, ErrorCode};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it should.
    Ok,
    /// It ran to its end, and the answer is no: a build, items, tests or checks failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// No key, a wrong key, or a key that may not.
    NotPermitted,
    /// No Oriel server answers.
    Unreachable,
    /// It clashes with the present state.
    Conflict,
    /// What was given is not valid.
    Invalid,
    /// The extension misbehaved.
    Guest,
    /// The server or this machine failed.
    Server,
    /// Ctrl-C.
    Cancelled,
}

impl Exit {
    /// Every status, in the order of its number.
    pub(crate) const ALL: [Self; 11] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::NotPermitted,
        Self::Unreachable,
        Self::Conflict,
        Self::Invalid,
        Self::Guest,
        Self::Server,
        Self::Cancelled,
    ];

    /// The number that the shell sees.
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotPermitted => 4,
            Self::Unreachable => 5,
            Self::Conflict => 6,
            Self::Invalid => 7,
            Self::Guest => 8,
            Self::Server => 9,
            // 128 + SIGINT, as shells have it.
            Self::Cancelled => 130,
        }
    }

    /// One line for the reference.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "It did what it should.",
            Self::Failed => {
                "It ran to its end and the answer is no: a build, items of a batch, tests or checks failed, or a question was answered with no."
            }
            Self::Usage => "The command line makes no sense: an unknown flag, a missing argument, arguments that contradict each other.",
            Self::NotFound => "What was named does not exist in this tenant.",
            Self::NotPermitted => "No API key, a wrong one, or one that may not do this.",
            Self::Unreachable => "No Oriel server answers at the address.",
            Self::Conflict => "It clashes with the present state: it exists already, waits for consent, or somebody else changed it.",
            Self::Invalid => "What was given is not valid: a manifest, package, component, schema, input or file.",
            Self::Guest => "The extension misbehaved: it crashed, took too long, or answered an error.",
            Self::Server => "The server or this machine failed. The same command may succeed later.",
            Self::Cancelled => "Somebody pressed Ctrl-C.",
        }
    }

    /// The status of an error code.
    pub(crate) fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::ClientUsage => Self::Usage,
            ErrorCode::ClientUnreachable | ErrorCode::ClientNotOriel => Self::Unreachable,
            ErrorCode::ClientItemsFailed
            | ErrorCode::ClientTestsFailed
            | ErrorCode::ClientCheckFailed
            | ErrorCode::ClientDeclined
            | ErrorCode::AuthorBuildFailed
            | ErrorCode::AuthorToolchainMissing
            | ErrorCode::AuthorToolchainInstall => Self::Failed,
            ErrorCode::ClientCancelled => Self::Cancelled,
            _ if code.blame() == Blame::Guest => Self::Guest,
            _ => Self::of_status(code.status()),
        }
    }

    /// The status of an HTTP status, for codes that this binary does not know.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotPermitted,
            404 => Self::NotFound,
            409 | 412 => Self::Conflict,
            400..=499 => Self::Invalid,
            _ => Self::Server,
        }
    }

    /// The page of the book that tells of exit statuses.
    pub(crate) fn page() -> String {
        use std::fmt::Write as _;
        let mut page = String::from(
            "# Exit statuses\n\nEvery command of `oriel` ends with one of these. Errors print `error[CODE]: message` on standard \
             error; the status follows from the code.\n\n| status | meaning |\n|---|---|\n",
        );
        for exit in Self::ALL {
            let _ = writeln!(page, "| {} | {} |", exit.status(), exit.meaning());
        }
        page.push_str("\n## Which code ends how\n\n| status | codes |\n|---|---|\n");
        for exit in Self::ALL {
            let codes: Vec<String> = ErrorCode::ALL
                .iter()
                .filter(|code| Self::of(**code) == exit)
                .map(|code| format!("`{code}`"))
                .collect();
            if !codes.is_empty() {
                let _ = writeln!(page, "| {} | {} |", exit.status(), codes.join(", "));
            }
        }
        page.push_str("\nA reader that closes the pipe early (`oriel list | head -1`) is no error: the command ends quietly with 0.\n");
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_end_as_the_table_says() {
        for (code, exit) in [
            (ErrorCode::ClientUsage, Exit::Usage),
            (ErrorCode::ExtensionNotFound, Exit::NotFound),
            (ErrorCode::Unauthenticated, Exit::NotPermitted),
            (ErrorCode::ConsentRequired, Exit::Conflict),
            (ErrorCode::ManifestInvalid, Exit::Invalid),
            (ErrorCode::ExecutionTrap, Exit::Guest),
            (ErrorCode::ProgramDenied, Exit::Guest),
            (ErrorCode::StoreFull, Exit::Server),
        ] {
            assert_eq!(Exit::of(code), exit, "{code}");
        }
        assert!(ErrorCode::ALL.iter().all(|code| Exit::of(*code) != Exit::Ok));
    }
}
