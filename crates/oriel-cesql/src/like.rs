//! The patterns of `LIKE`.

/// A pattern: `%` stands for any text, `_` for one character, and a backslash takes the meaning from either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            pieces.push(match c {
                '%' if pieces.last() == Some(&Piece::Any) => continue,
                '%' => Piece::Any,
                '_' => Piece::One,
                '\\' => match rest.next_if(|next| matches!(next, '%' | '_')) {
                    Some(escaped) => Piece::Char(escaped),
                    None => Piece::Char('\\'),
                },
                c => Piece::Char(c),
            });
        }
        Self(pieces)
    }

    /// Whether the whole text fits. Takes at most the product of both lengths: after a mismatch only the last `%` takes one
    /// character more, because whatever an earlier one could take the last one can take as well.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let pieces = &self.0;
        let mut chars = text.chars();
        let mut at = 0;
        let mut last_any = None;
        loop {
            let here = chars.clone();
            let next = chars.next();
            match (pieces.get(at), next) {
                (None, None) => return true,
                (Some(Piece::Any), _) => {
                    last_any = Some((at, here.clone()));
                    chars = here;
                    at += 1;
                }
                (Some(Piece::One), Some(_)) => at += 1,
                (Some(Piece::Char(wanted)), Some(c)) if *wanted == c => at += 1,
                _ => {
                    let Some((any, from)) = &mut last_any else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    chars = from.clone();
                    at = *any + 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts_only() {
        let cases = [
            ("", "", true),
            ("%", "", true),
            ("_", "", false),
            ("a%", "a", true),
            ("%a", "ba", true),
            ("%a", "bab", false),
            ("a%b%c", "aXbXbXc", true),
            ("%%%x", "yyyx", true),
            ("_%_", "ab", true),
            ("_%_", "a", false),
            ("ü_", "üß", true),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            (r"a\b", r"a\b", true),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let text = "a".repeat(20_000);
        assert!(!Pattern::new(&format!("{}b", "%a".repeat(200))).fits(&text));
    }
}
