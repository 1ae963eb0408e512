//! The built-in kinds: a pattern that finds candidates, and a check that tells them from mere numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Finds candidates and checks them.
pub(crate) struct Kind {
    /// Its name in bindings and verdicts.
    pub(crate) name: &'static str,
    /// What finds candidates. Linear in the text's length, whatever the text.
    pub(crate) pattern: &'static str,
    /// How long the one is that begins where the candidate does; `None` when there is none.
    pub(crate) check: Check,
}

/// Takes the text before the candidate, the text from it on, and the candidate.
pub(crate) type Check = fn(&str, &str, &str) -> Option<usize>;

/// All of them, in the order in which they are looked for: what one has found, those after it leave alone.
pub(crate) const KINDS: [Kind; 7] = [
    Kind {
        name: "email",
        pattern: r"(?i)[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+",
        check: |_, _, found| whole(found, email),
    },
    Kind {
        name: "iban",
        pattern: r"(?i)\b[a-z]{2}[0-9]{2}[ -]?[a-z0-9]{4}",
        check: |_, rest, _| iban(rest),
    },
    Kind {
        name: "credit_card",
        pattern: r"\b[0-9](?:[ -]?[0-9]){11,18}",
        check: |_, rest, found| credit_card(rest, found),
    },
    Kind {
        name: "us_ssn",
        pattern: r"\b[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}\b",
        check: |_, _, found| whole(found, us_ssn),
    },
    Kind {
        name: "ipv6",
        pattern: r"(?i)(?:[0-9a-f]{1,4}:|:){2,8}[0-9a-f:.]{0,20}",
        check: |before, _, found| ipv6(found).filter(|_| alone(before, "")),
    },
    Kind {
        name: "ipv4",
        pattern: r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b",
        check: |before, rest, found| whole(found, ipv4).filter(|&end| alone(before, &rest[end..])),
    },
    Kind {
        name: "phone",
        pattern: r"(?:\+|\b00)[1-9](?:[ ()/.-]{0,2}[0-9]){6,14}\b|\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}\b|\b[0-9]{3}[-.][0-9]{3}[-.][0-9]{4}\b|\b0[1-9][0-9]{1,4}[ /-][0-9]{3,8}(?:[ -]?[0-9]{2,5})?\b",
        check: |_, _, found| whole(found, phone),
    },
];

/// The whole candidate, or nothing.
fn whole(found: &str, check: fn(&str) -> bool) -> Option<usize> {
    check(found).then_some(found.len())
}

/// Whether an address is not a part of something longer, such as a version with five numbers.
fn alone(before: &str, after: &str) -> bool {
    let begins = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':'));
    let ends = !after
        .strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    begins && ends
}

fn email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let dots = |text: &str| text.starts_with('.') || text.ends_with('.') || text.contains("..");
    // A top-level domain has letters: `7@10.0.0.1` is none.
    let top = domain.rsplit('.').next().unwrap_or_default();
    !dots(local) && domain.len() <= 253 && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// Lengths by country, as of the registry of ISO 13616: <https://www.swift.com/standards/data-standards/iban-international-bank-account-number>.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// The country's length, written in any groups, and 1 as the remainder by 97 (ISO 7064).
fn iban(rest: &str) -> Option<usize> {
    let country = rest.get(..2)?.to_ascii_uppercase();
    let (_, length) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?;
    let mut plain = Vec::with_capacity(*length);
    let mut separated = false;
    let mut end = 0;
    for byte in rest.bytes() {
        match byte {
            b' ' | b'-' if !separated => separated = true,
            _ if byte.is_ascii_alphanumeric() && plain.len() < *length => {
                plain.push(byte.to_ascii_uppercase());
                separated = false;
            }
            _ => break,
        }
        end += 1;
        if plain.len() == *length {
            break;
        }
    }
    // It ends where the word does.
    if plain.len() != *length || rest.as_bytes().get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let left = plain.iter().cycle().skip(4).take(plain.len()).fold(0_u32, |left, byte| match byte {
        b'0'..=b'9' => (left * 10 + u32::from(byte - b'0')) % 97,
        letter => (left * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    (left == 1).then_some(end)
}

/// The longest beginning that is one: an expiry date or a check code may follow.
fn credit_card(rest: &str, found: &str) -> Option<usize> {
    (12..=found.len()).rev().find(|&end| {
        let ends = !rest.as_bytes().get(end).is_some_and(u8::is_ascii_digit);
        ends && found.as_bytes()[end - 1].is_ascii_digit() && is_card(&found[..end])
    })
}

/// An issuer that there is, its length, and the check digit of Luhn (ISO/IEC 7812-1).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let first = |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + digit);
    let issuer = match digits.len() {
        13 => first(1) == 4,
        14 => matches!(first(2), 36 | 38 | 39) || matches!(first(3), 300..=305),
        15 => matches!(first(2), 34 | 37),
        16 => {
            first(1) == 4
                || matches!(first(2), 51..=55 | 65)
                || matches!(first(4), 2221..=2720 | 6011 | 3528..=3589 | 2200..=2204)
                || matches!(first(3), 644..=649)
                || matches!(first(2), 62 | 81)
        }
        17 | 18 => first(2) == 62,
        19 => first(1) == 4 || first(2) == 62,
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    issuer && sum.is_multiple_of(10)
}

/// Numbers that are given out: <https://www.ssa.gov/employer/randomization.html>.
fn us_ssn(text: &str) -> bool {
    let same = text.as_bytes().get(3) == text.as_bytes().get(6);
    same && !matches!(&text[..3], "000" | "666") && !text.starts_with('9') && &text[4..6] != "00" && &text[7..] != "0000"
}

/// An address that somebody may have: not this host, not a netmask, not the documentation's.
fn ipv4(text: &str) -> bool {
    let address: Result<Ipv4Addr, _> = text.parse();
    address
        .is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_documentation() && ip.octets()[0] != 255)
}

fn ipv6(found: &str) -> Option<usize> {
    // The end of a sentence is not the end of an address.
    let text = found.trim_end_matches('.');
    let ip: Ipv6Addr = text.parse().ok()?;
    // `::` and `a::b` come up in texts of all kinds; an address that somebody has says more.
    let [first, second, ..] = ip.segments();
    (first >= 0x100 && [first, second] != [0x2001, 0xdb8]).then_some(text.len())
}

/// International numbers have 7 to 15 digits (ITU-T E.164); others look like the ways in which they are written.
fn phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && text.matches('(').count() == text.matches(')').count()
}
