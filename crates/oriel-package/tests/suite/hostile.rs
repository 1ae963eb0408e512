//! Archives that nobody should accept, whatever they hold.

use oriel_model::Coded;
use oriel_model::ErrorCode;
use oriel_package::{ReadLimits, pack, read};

use crate::fixture::{Entry, archive, entries, header, packed, seal};

/// Reading must fail with this code and a message that holds this text.
#[track_caller]
pub(crate) fn check(bytes: &[u8], code: ErrorCode, text: &str) {
    check_within(bytes, &ReadLimits::default(), code, text);
}

#[track_caller]
fn check_within(bytes: &[u8], limits: &ReadLimits, code: ErrorCode, text: &str) {
    let error = read(bytes, limits).map(|_| "a package").unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not hold `{text}`");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = packed();
    let lengths = (0..bytes.len())
        .step_by(97)
        .chain((0..bytes.len()).step_by(512))
        .chain([bytes.len() - 1, bytes.len() - 512]);
    for length in lengths {
        check(&bytes[..length], ErrorCode::PackageInvalid, "");
    }
}

/// Every bit of headers, documents and padding counts: a change is refused, or (nowhere today) changes nothing.
#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let bytes = packed();
    let good = read(&bytes, &ReadLimits::default()).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        // All bits near the start of each block, where headers and documents lie, and one elsewhere.
        let bits = if at % 512 < 160 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match read(&changed, &ReadLimits::default()) {
                Ok(other) => assert_eq!(other.package, good.package, "bit {bit} of byte {at}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > bytes.len(), "{refused} of {}", bytes.len());
}

#[test]
fn what_follows_or_fills_is_refused() {
    let bytes = packed();
    for more in [&b"x"[..], &[0; 512], &[0; 10_240]] {
        check(&[&bytes, more].concat(), ErrorCode::PackageInvalid, "follows the end");
    }
    check(
        &[&bytes[..bytes.len() - 512], &[1; 512]].concat(),
        ErrorCode::PackageInvalid,
        "follows the end",
    );
    let first = entries(&bytes)[0].content.len();
    let mut padded = bytes.clone();
    padded[512 + first] = 1;
    check(&padded, ErrorCode::PackageInvalid, "padding");
    check(&[], ErrorCode::PackageInvalid, "cut short");
    check(&[0; 1024], ErrorCode::PackageInvalid, "oci-layout");
    check(&vec![0; 1 << 20], ErrorCode::PackageInvalid, "follows the end");
    check(
        b"PK\x03\x04 a zip file that is longer than a block",
        ErrorCode::PackageInvalid,
        "cut short",
    );
}

#[test]
fn injected_entries_are_refused() {
    let bytes = packed();
    let inject = |path: &str, content: &[u8]| {
        let mut all = entries(&bytes);
        all.push(Entry {
            path: path.to_owned(),
            content: content.to_vec(),
        });
        all.sort_by(|a, b| a.path.cmp(&b.path));
        archive(&all)
    };
    for path in [
        "/etc/passwd",
        "../evil",
        "blobs/../../evil",
        "./index.json",
        "blobs/sha256",
        "blobs/sha256/",
        "blobs/sha512/00",
        "zzz",
        "index.json/x",
        "blobs/sha256/ABCDEF",
        "C:\\evil",
    ] {
        check(&inject(path, b"x"), ErrorCode::PackageInvalid, "");
    }
    let orphan = oriel_model::Digest::of(b"x").hex();
    check(
        &inject(&format!("blobs/sha256/{orphan}"), b"x"),
        ErrorCode::PackageInvalid,
        "nothing refers to",
    );
    check(&inject(&format!("blobs/sha256/{orphan}"), b"y"), ErrorCode::PackageDigest, &orphan);
    check(&inject("index.json", b"{}"), ErrorCode::PackageInvalid, "there twice");
}

#[test]
fn reordered_missing_and_altered_entries_are_refused() {
    let all = entries(&packed());
    let mut reversed = all.clone();
    reversed.reverse();
    check(&archive(&reversed), ErrorCode::PackageInvalid, "out of order");
    for missing in 0..all.len() {
        let mut fewer = all.clone();
        let gone = fewer.remove(missing).path;
        check(&archive(&fewer), ErrorCode::PackageInvalid, "missing");
        let mut altered = all.clone();
        altered[missing].content.push(b' ');
        let code = if gone.starts_with("blobs/") {
            ErrorCode::PackageDigest
        } else {
            ErrorCode::PackageInvalid
        };
        check(&archive(&altered), code, "");
    }
}

/// Everything else that tar can say, placed where a plain file should be.
#[test]
fn special_entries_and_foreign_headers_are_refused() {
    use tar::EntryType;
    let bytes = packed();
    let (first, rest) = bytes.split_at(512);
    let path = entries(&bytes)[0].path.clone();
    let size = entries(&bytes)[0].content.len();
    let with = |change: &dyn Fn(&mut tar::Header)| {
        let mut own = header(&path, size);
        assert!(own.as_bytes() == first);
        change(&mut own);
        seal(&mut own);
        [own.as_bytes(), rest].concat()
    };
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
        EntryType::XHeader,
    ] {
        check(&with(&|header| header.set_entry_type(kind)), ErrorCode::PackageInvalid, "");
    }
    check(
        &with(&|header| header.set_link_name_literal("/etc/passwd").unwrap()),
        ErrorCode::PackageInvalid,
        "links",
    );
    check(
        &with(&|header| header.as_old_mut().linkflag = [0]),
        ErrorCode::PackageInvalid,
        "one form",
    );
    check(&with(&|header| header.set_mode(0o4755)), ErrorCode::PackageInvalid, "one form");
    check(&with(&|header| header.set_mtime(1)), ErrorCode::PackageInvalid, "times");
    check(&with(&|header| header.set_uid(1)), ErrorCode::PackageInvalid, "one form");
    check(
        &with(&|header| header.as_ustar_mut().unwrap().prefix[0] = b'x'),
        ErrorCode::PackageInvalid,
        "one form",
    );
    check(
        &with(&|header| header.as_old_mut().name[0] = 0xff),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().name = [b'x'; 100]),
        ErrorCode::PackageInvalid,
        "",
    );
    check(
        &with(&|header| header.as_old_mut().name = [0; 100]),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    // Sizes that lie: shorter, longer than the file, base 256, beyond any file.
    check(&with(&|header| header.set_size(1)), ErrorCode::PackageInvalid, "");
    check(
        &with(&|header| header.set_size(0o77_777_777_777)),
        ErrorCode::PackageInvalid,
        "cut short",
    );
    check(
        &with(&|header| header.set_size(u64::MAX)),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().size = *b"-0000000001\0"),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().size = *b"+0000000001\0"),
        ErrorCode::PackageInvalid,
        "one form",
    );
    let gnu = with(&|header| {
        let mut other = tar::Header::new_gnu();
        other.as_old_mut().name = header.as_old().name;
        other.set_size(size as u64);
        *header = other;
    });
    check(&gnu, ErrorCode::PackageInvalid, "one form");
    let mut checksum = bytes.clone();
    checksum[148] ^= 1;
    check(&checksum, ErrorCode::PackageInvalid, "one form");
}

#[test]
fn limits_hold_on_every_axis() {
    let bytes = packed();
    let with = |change: &dyn Fn(&mut ReadLimits)| {
        let mut limits = ReadLimits::default();
        change(&mut limits);
        limits
    };
    let refused = |change: &dyn Fn(&mut ReadLimits), text: &str| check_within(&bytes, &with(change), ErrorCode::PackageTooLarge, text);
    refused(&|limits| limits.file = bytes.len() - 1, "the package has");
    refused(&|limits| limits.entries = 3, "more than 3 entries");
    refused(&|limits| limits.component = 10, "at most");
    refused(&|limits| limits.manifest = 10, "the manifest has");
    refused(&|limits| limits.readme = 3, "the README has");
    refused(&|limits| limits.asset = 3, "an asset has");
    refused(&|limits| limits.sbom = 3, "the SBOM has");
    refused(&|limits| limits.document = 3, "`index.json` has");
    let exact = with(&|limits| limits.file = bytes.len());
    assert!(read(&bytes, &exact).is_ok());
}

/// Random edits, many at once, with digests left as they were or made right: never a panic, and whatever is
/// accepted packs to the very same file.
#[test]
fn random_edits_are_refused_or_harmless() {
    let bytes = packed();
    let all = entries(&bytes);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for _ in 0..3_000 {
        let mut changed = all.clone();
        for _ in 0..=random(3) {
            let entry = random(changed.len());
            let content = &mut changed[entry].content;
            let at = random(content.len() + 1);
            match random(4) {
                0 => content.truncate(at),
                1 if at < content.len() => content[at] = content[at].wrapping_add(u8::try_from(random(255)).unwrap()),
                2 => drop(content.splice(at..at, [b'"', b'{', b'[', b'0', b','].into_iter().take(random(6)))),
                _ => drop(content.splice(at..(at + random(9)).min(content.len()), [])),
            }
            if random(2) == 0 && changed[entry].path.starts_with("blobs/") {
                changed[entry].path = format!("blobs/sha256/{}", oriel_model::Digest::of(&changed[entry].content).hex());
            }
        }
        changed.sort_by(|a, b| a.path.cmp(&b.path));
        let file = archive(&changed);
        if let Ok(unpacked) = read(&file, &ReadLimits::default()) {
            assert!(pack(&unpacked.package).unwrap().bytes == file);
        }
    }
}
