//! Points: what a text must look like to name one, and which event types a glob means.

use oriel_model::binding::{BindingKind, EVERY_TASK, MAX_POINT};
use oriel_model::id::TaskId;
use oriel_model::name::{HookName, TaskName};

/// Why the text cannot name a point of this kind, if it cannot.
pub(super) fn problem(kind: BindingKind, point: &str) -> Option<String> {
    let shown: String = point.chars().take(64).collect();
    match kind {
        BindingKind::Validator | BindingKind::Sampler => {
            let good = point == EVERY_TASK
                || if TaskId::looks_like(point) {
                    point.parse::<TaskId>().is_ok()
                } else {
                    point.parse::<TaskName>().is_ok()
                };
            (!good).then(|| format!("`{shown}` is neither a task's name or id nor `*` for every task"))
        }
        BindingKind::Hook => point
            .parse::<HookName>()
            .is_err()
            .then(|| format!("`{shown}` cannot be a hook's name")),
        BindingKind::EventHandler => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'*');
            let good = (1..=MAX_POINT).contains(&point.len()) && point.bytes().all(plain) && !point.starts_with(['.', '_', '-']);
            (!good).then(|| format!("`{shown}` is not an event type such as `order.created`, or `order.*` with `*` for any text"))
        }
    }
}

/// Whether an event type is one that the glob means; `*` stands for any text, also none. Linear in both lengths: a star that
/// turns out too short is only ever extended, never tried anew.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    // The last star, and where its text ends so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if g < glob.len() && glob[g] == b'*' {
            star = Some((g, t));
            g += 1;
        } else if g < glob.len() && glob[g] == text[t] {
            g += 1;
            t += 1;
        } else if let Some((at, end)) = star {
            star = Some((at, end + 1));
            g = at + 1;
            t = end + 1;
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

/// Whether a handler that is written for `types` may be bound to this type or glob: one of both means the other.
pub(super) fn is_meant(types: &[String], point: &str) -> bool {
    types.is_empty() || types.iter().any(|written| matches(written, point) || matches(point, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_what_they_say() {
        for (glob, text, expected) in [
            ("order.created", "order.created", true),
            ("order.created", "order.createds", false),
            ("order.*", "order.created", true),
            ("order.*", "order.", true),
            ("order.*", "order", false),
            ("*", "", true),
            ("*", "anything.at-all", true),
            ("*.created", "order.line.created", true),
            ("*.created", "created", false),
            ("a*b*c", "axxbyybzzc", true),
            ("a*b*c", "axxbyybzz", false),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
        // Would take ages if each star were tried at each place.
        assert!(!matches(&"a*".repeat(100), &"a".repeat(99)));
        assert!(!matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(250)));
    }

    #[test]
    fn points_are_of_their_kind() {
        use BindingKind::{EventHandler, Hook, Sampler, Validator};
        let id = TaskId::new(oriel_model::Timestamp::from_millis(1)).to_string();
        for (kind, point, good) in [
            (Validator, "*", true),
            (Sampler, "flights.classify", true),
            (Validator, id.as_str(), true),
            (Validator, "task_nope", false),
            (Validator, "flights.*", false),
            (Validator, "", false),
            (Hook, "order.pre-create", true),
            (Hook, "*", false),
            (Hook, "Order", false),
            (EventHandler, "com.acme.OrderCreated", true),
            (EventHandler, "order.*", true),
            (EventHandler, "*", true),
            (EventHandler, ".order", false),
            (EventHandler, "order created", false),
            (EventHandler, "", false),
            (EventHandler, "x\u{0}", false),
            (EventHandler, &"x".repeat(257), false),
        ] {
            assert_eq!(problem(kind, point).is_none(), good, "{kind} {point}");
        }
    }

    #[test]
    fn handlers_are_bound_to_what_they_are_written_for() {
        let types = |types: &[&str]| types.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (written, point, good) in [
            (&["order.created"][..], "order.created", true),
            (&["order.created"], "order.*", true),
            (&["order.*"], "order.created", true),
            (&["order.*"], "*", true),
            (&["order.created", "user.*"], "user.left", true),
            (&["order.created"], "user.left", false),
            (&[], "anything", true),
        ] {
            assert_eq!(is_meant(&types(written), point), good, "{written:?} {point}");
        }
    }
}
