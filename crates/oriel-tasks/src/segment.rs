//! The form of execution records on disk.
//!
//! A segment holds records that share a [`RecordKey`]. Its body is
//! `[form: u8 = 1] [codec: u8] [header length: u32 LE] [header: JSON of the key] [records]`, the records compressed by
//! the codec (1 = LZ4 block with its length before it: cheap enough to write on the hot path; 2 = Zstandard, for
//! segments that compaction merged). A record is, in varints (LEB128) and length-prefixed bytes:
//! id (16 bytes), status, start in ms, four resource figures, item id, input, then output or error code and text.

use std::sync::Arc;

use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::execution::{Execution, ExecutionError, ExecutionStatus, Resources};
use oriel_model::id::{BatchId, ExecutionId, TaskId, TenantId};
use oriel_model::name::{ContributionName, ExtensionName};
use oriel_store::{Segment, SegmentHead, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const FORM: u8 = 1;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;
/// A body that claims to unpack to more than this is damaged: sealing happens far below.
const MAX_UNPACKED: usize = 256 << 20;

/// What all records of a segment share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RecordKey {
    #[serde(skip, default = "nobody")]
    pub(crate) tenant: TenantId,
    pub(crate) task: Option<TaskId>,
    pub(crate) batch: Option<BatchId>,
    pub(crate) extension: ExtensionName,
    pub(crate) version: semver::Version,
    pub(crate) program: ContributionName,
}

fn nobody() -> TenantId {
    TenantId::from_ulid(ulid::Ulid::nil())
}

/// What is particular to one execution.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: ExecutionId,
    pub(crate) item: Option<&'a str>,
    pub(crate) input: &'a str,
    pub(crate) result: Result<&'a str, &'a ExecutionError>,
    pub(crate) started_at: Timestamp,
    pub(crate) resources: Resources,
}

/// Collects records of one key.
pub(crate) struct SegmentBuilder {
    key: Arc<RecordKey>,
    records: Vec<u8>,
    first: ExecutionId,
    last: ExecutionId,
    from: Timestamp,
    to: Timestamp,
    count: u32,
    failures: u32,
}

impl SegmentBuilder {
    pub(crate) fn new(key: Arc<RecordKey>) -> Self {
        let id = ExecutionId::from_ulid(ulid::Ulid::nil());
        let at = Timestamp::from_millis(0);
        Self {
            key,
            records: Vec::new(),
            first: id,
            last: id,
            from: at,
            to: at,
            count: 0,
            failures: 0,
        }
    }

    /// With room for one record of so many bytes of input and output.
    pub(crate) fn for_one(key: Arc<RecordKey>, bytes: usize) -> Self {
        /// More than what comes with them: ids, times, figures, lengths.
        const BESIDE: usize = 128;
        let mut new = Self::new(key);
        new.records.reserve_exact(bytes + BESIDE);
        new
    }

    pub(crate) const fn key(&self) -> &Arc<RecordKey> {
        &self.key
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes collected so far, uncompressed.
    pub(crate) const fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.widen((record.id, record.id), (record.started_at, record.started_at));
        self.count += 1;
        let out = &mut self.records;
        out.extend_from_slice(&record.id.ulid().0.to_be_bytes());
        out.push(u8::from(record.result.is_ok()));
        put_number(out, u64::try_from(record.started_at.millis()).unwrap_or(0));
        put_number(out, record.resources.wall_us);
        put_number(out, record.resources.guest_cpu_us);
        put_number(out, record.resources.peak_memory);
        put_number(out, record.resources.host_calls.into());
        match record.item {
            None => out.push(0),
            Some(item) => {
                put_number(out, item.len() as u64 + 1);
                out.extend_from_slice(item.as_bytes());
            }
        }
        put_text(out, record.input);
        match record.result {
            Ok(output) => put_text(out, output),
            Err(error) => {
                self.failures += 1;
                put_text(out, &error.code);
                put_text(out, &error.message);
            }
        }
    }

    /// The records collected so far, in the form in which a segment keeps them.
    pub(crate) fn records(&self) -> &[u8] {
        &self.records
    }

    /// Adds the records of `other`, which has the same key.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.widen((other.first, other.last), (other.from, other.to));
        self.count += other.count;
        self.failures += other.failures;
        self.records.extend_from_slice(&other.records);
    }

    /// Extends the ranges of ids and times; asked before `count` grows.
    fn widen(&mut self, (first, last): (ExecutionId, ExecutionId), (from, to): (Timestamp, Timestamp)) {
        if self.is_empty() {
            (self.first, self.last, self.from, self.to) = (first, last, from, to);
        } else {
            self.first = self.first.min(first);
            self.last = self.last.max(last);
            self.from = self.from.min(from);
            self.to = self.to.max(to);
        }
    }

    /// Turns what was collected into a segment and starts anew with the same key.
    pub(crate) fn seal(&mut self) -> Segment {
        let packed = lz4_flex::block::compress_prepend_size(&self.records);
        let segment = self.finish(LZ4, &packed);
        self.records.clear();
        self.count = 0;
        self.failures = 0;
        segment
    }

    /// As `seal`, smaller and slower: for what is kept.
    pub(crate) fn seal_small(&mut self) -> Result<Segment, StoreError> {
        let packed = zstd::bulk::compress(&self.records, 3).map_err(|source| StoreError::Unavailable { source: Box::new(source) })?;
        let mut framed = u32::try_from(self.records.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        framed.extend_from_slice(&packed);
        let segment = self.finish(ZSTD, &framed);
        self.records.clear();
        self.count = 0;
        self.failures = 0;
        Ok(segment)
    }

    fn finish(&self, codec: u8, packed: &[u8]) -> Segment {
        let header = serde_json::to_vec(&*self.key).expect("a record key is always JSON");
        let mut body = Vec::with_capacity(6 + header.len() + packed.len());
        body.extend_from_slice(&[FORM, codec]);
        body.extend_from_slice(&u32::try_from(header.len()).expect("names are short").to_le_bytes());
        body.extend_from_slice(&header);
        body.extend_from_slice(packed);
        let head = SegmentHead {
            tenant: self.key.tenant,
            first: self.first,
            last: self.last,
            task: self.key.task,
            extension: self.key.extension.to_string(),
            batch: self.key.batch,
            from: self.from,
            to: self.to,
            count: self.count,
            failures: self.failures,
        };
        Segment {
            head,
            body: Bytes::from(body),
        }
    }
}

/// A segment's records, unpacked.
pub(crate) struct SegmentReader {
    pub(crate) key: Arc<RecordKey>,
    records: Vec<u8>,
}

impl SegmentReader {
    pub(crate) fn open(tenant: TenantId, body: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt {
            what: format!("a segment of execution records: {what}"),
        };
        let [FORM, codec, a, b, c, d, rest @ ..] = body else {
            return Err(corrupt("unknown form"));
        };
        let header = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (header, packed) = rest.split_at_checked(header).ok_or_else(|| corrupt("cut short"))?;
        let mut key: RecordKey = serde_json::from_slice(header).map_err(|error| corrupt(&error.to_string()))?;
        key.tenant = tenant;
        let length = packed.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
        let length = length
            .filter(|length| *length <= MAX_UNPACKED)
            .ok_or_else(|| corrupt("impossible length"))?;
        let records = match *codec {
            LZ4 => lz4_flex::block::decompress_size_prepended(packed).map_err(|error| corrupt(&error.to_string()))?,
            ZSTD => zstd::bulk::decompress(&packed[4..], length).map_err(|error| corrupt(&error.to_string()))?,
            _ => return Err(corrupt("unknown codec")),
        };
        Ok(Self {
            key: Arc::new(key),
            records,
        })
    }

    /// Records that were written down without being packed.
    pub(crate) fn loose(key: RecordKey, records: &[u8]) -> Self {
        Self {
            key: Arc::new(key),
            records: records.to_vec(),
        }
    }

    /// Calls `each` with every record, in the order in which they were added.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Record<'_>)) -> Result<(), StoreError> {
        let mut rest = &self.records[..];
        while !rest.is_empty() {
            let record = read_record(&mut rest);
            let Some((head, result)) = record else {
                return Err(StoreError::Corrupt {
                    what: "a record of an execution is cut short".to_owned(),
                });
            };
            let error;
            let result = match result {
                Ok(output) => Ok(output),
                Err((code, message)) => {
                    error = ExecutionError {
                        code: code.to_owned(),
                        message: message.to_owned(),
                    };
                    Err(&error)
                }
            };
            each(&Record { result, ..head });
        }
        Ok(())
    }

    /// A record in the form of the API.
    pub(crate) fn execution(&self, record: &Record<'_>) -> Result<Execution, StoreError> {
        let raw = |text: &str| {
            RawValue::from_string(text.to_owned()).map_err(|error| StoreError::Corrupt {
                what: format!("the record of {}: {error}", record.id),
            })
        };
        Ok(Execution {
            id: record.id,
            task_id: self.key.task,
            batch_id: self.key.batch,
            item_id: record.item.map(str::to_owned),
            extension: self.key.extension.clone(),
            version: self.key.version.clone(),
            program: self.key.program.clone(),
            status: if record.result.is_ok() {
                ExecutionStatus::Succeeded
            } else {
                ExecutionStatus::Failed
            },
            input: raw(record.input)?,
            output: record.result.ok().map(raw).transpose()?,
            error: record.result.err().cloned(),
            started_at: record.started_at,
            resources: record.resources,
        })
    }
}

type Parts<'a> = (Record<'a>, Result<&'a str, (&'a str, &'a str)>);

fn read_record<'a>(rest: &mut &'a [u8]) -> Option<Parts<'a>> {
    let (id, tail) = rest.split_first_chunk::<16>()?;
    *rest = tail;
    let id = ExecutionId::from_ulid(ulid::Ulid(u128::from_be_bytes(*id)));
    let (succeeded, tail) = rest.split_first()?;
    let succeeded = *succeeded == 1;
    *rest = tail;
    let started_at = Timestamp::from_millis(i64::try_from(take_number(rest)?).ok()?);
    let resources = Resources {
        wall_us: take_number(rest)?,
        guest_cpu_us: take_number(rest)?,
        peak_memory: take_number(rest)?,
        host_calls: u32::try_from(take_number(rest)?).ok()?,
    };
    let item = match take_number(rest)? {
        0 => None,
        length => Some(take_bytes(rest, usize::try_from(length - 1).ok()?)?),
    };
    let input = take_text(rest)?;
    let result = if succeeded {
        Ok(take_text(rest)?)
    } else {
        Err((take_text(rest)?, take_text(rest)?))
    };
    Some((
        Record {
            id,
            item,
            input,
            result: Ok(""),
            started_at,
            resources,
        },
        result,
    ))
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_bytes<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a str> {
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(bytes).ok()
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    take_bytes(rest, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Arc<RecordKey> {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Arc::new(RecordKey {
            tenant: TenantId::new(now),
            task: Some(TaskId::new(now)),
            batch: None,
            extension: "flights".parse().unwrap(),
            version: semver::Version::new(1, 2, 3),
            program: "classify".parse().unwrap(),
        })
    }

    fn fill(builder: &mut SegmentBuilder, count: i64) {
        let error = ExecutionError {
            code: "execution.timeout".to_owned(),
            message: "too slow".to_owned(),
        };
        for n in 0..count {
            let at = Timestamp::from_millis(1_700_000_000_000 + n);
            let resources = Resources {
                wall_us: n as u64 * 1_000,
                guest_cpu_us: 7,
                peak_memory: 1 << 20,
                host_calls: 2,
            };
            let (input, item) = (format!("{{\"n\":{n}}}"), format!("item-{n}"));
            let result = if n % 3 == 0 { Err(&error) } else { Ok("[1,\"ü\"]") };
            builder.add(&Record {
                id: ExecutionId::new(at),
                item: (n % 2 == 0).then_some(&item),
                input: &input,
                result,
                started_at: at,
                resources,
            });
        }
    }

    #[test]
    fn records_survive_both_codecs() {
        let key = key();
        let mut builder = SegmentBuilder::new(key.clone());
        fill(&mut builder, 100);
        let fast = builder.seal();
        assert!(builder.is_empty());
        fill(&mut builder, 100);
        let small = builder.seal_small().unwrap();
        for segment in [&fast, &small] {
            assert_eq!((segment.head.count, segment.head.failures), (100, 34));
            let reader = SegmentReader::open(key.tenant, &segment.body).unwrap();
            assert_eq!(*reader.key, *key);
            let mut seen = Vec::new();
            reader
                .for_each(|record| seen.push(serde_json::to_value(reader.execution(record).unwrap()).unwrap()))
                .unwrap();
            assert_eq!(seen.len(), 100);
            assert_eq!(seen[4]["input"], serde_json::json!({"n": 4}));
            assert_eq!(seen[4]["itemId"], "item-4");
            assert_eq!(seen[4]["output"], serde_json::json!([1, "ü"]));
            assert_eq!(seen[3]["error"]["code"], "execution.timeout");
            assert_eq!(seen[99]["resources"]["wallUs"], 99_000);
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let key = key();
        let mut builder = SegmentBuilder::new(key.clone());
        fill(&mut builder, 20);
        let good = builder.seal().body.to_vec();
        for cut in 0..good.len() {
            if let Ok(reader) = SegmentReader::open(key.tenant, &good[..cut]) {
                let _ = reader.for_each(|_| {});
            }
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            if let Ok(reader) = SegmentReader::open(key.tenant, &bad) {
                let _ = reader.for_each(|record| drop(reader.execution(record)));
            }
        }
    }
}
