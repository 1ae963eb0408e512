//! The collections of a manifest: read from TOML, and judged whether they came from there or in a package.

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Complaint, too_many};
use super::document::{get, items, text, texts};
use super::read::Reader;
use crate::collection::{
    AccessRule, AccessTo, CollectionIndex, CollectionManifest, FieldPath, MAX_COLLECTIONS, MAX_INDEX_FIELDS, MAX_INDEXES,
};
use crate::limits::ByteSize;
use crate::name::ContributionName;

impl Reader<'_, '_> {
    pub(super) fn collections(&mut self, root: &DeTable<'_>) -> Vec<CollectionManifest> {
        let mut declared: Vec<CollectionManifest> = Vec::new();
        let given: Vec<_> = items(root, "collections").collect();
        if let Some(value) = get(root, "collections") {
            self.judge(value.span(), too_many("collections", given.len(), MAX_COLLECTIONS));
        }
        for item in given.into_iter().take(MAX_COLLECTIONS) {
            let DeValue::Table(fields) = item.get_ref() else { continue };
            let description = self
                .checked(fields, "description", check::contribution_description)
                .unwrap_or_default();
            let schema = self.schema(fields, "schema").map(|(schema, _)| schema);
            let indexes = self.indexes(fields);
            let access = self.access(fields);
            let max_documents = self.max_documents(fields);
            let max_bytes = self.parsed::<ByteSize>(
                fields,
                "max_bytes",
                |_| Some("write a size such as `16MiB`".to_owned()),
                |size| no_room("max_bytes", size.0),
            );
            let name = self.parsed::<ContributionName>(fields, "name", |_| None, |_| None);
            let Some(name) = name else { continue };
            if declared.iter().any(|other| other.name == name) {
                let span = text(fields, "name").map_or_else(|| item.span(), |(_, span)| span);
                self.report.complain(span, second(name.as_str()));
            }
            let collection = CollectionManifest {
                name,
                description,
                schema,
                indexes,
                access,
                max_documents,
                max_bytes,
            };
            if let Some(complaint) = telling(&collection) {
                let span = get(fields, "indexes").map_or_else(|| item.span(), Spanned::span);
                self.report.complain(span, complaint);
            }
            declared.push(collection);
        }
        declared
    }

    fn indexes(&mut self, fields: &DeTable<'_>) -> Vec<CollectionIndex> {
        let given: Vec<_> = items(fields, "indexes").collect();
        if let Some(value) = get(fields, "indexes") {
            self.judge(value.span(), too_many("indexes", given.len(), MAX_INDEXES));
        }
        let mut indexes: Vec<CollectionIndex> = Vec::new();
        for item in given {
            let DeValue::Table(table) = item.get_ref() else { continue };
            let paths: Vec<FieldPath> = self.each(table, "fields", |_| Some(FIELD.to_owned()));
            if let Some(value) = get(table, "fields")
                && texts(table, "fields").len() == paths.len()
                && matches!(value.get_ref(), DeValue::Array(_))
            {
                self.judge(value.span(), index_fields(&paths));
            }
            if !paths.is_empty() && indexes.iter().any(|other| other.fields == paths) {
                self.report.complain(item.span(), second_index());
            }
            let unique = get(table, "unique").and_then(|value| value.get_ref().as_bool()).unwrap_or_default();
            indexes.push(CollectionIndex { fields: paths, unique });
        }
        indexes
    }

    fn access(&mut self, fields: &DeTable<'_>) -> Option<AccessRule> {
        let value = get(fields, "access")?;
        let DeValue::Table(table) = value.get_ref() else { return None };
        let mend = |_: &str| Some(FIELD.to_owned());
        let owner = self.parsed::<FieldPath>(table, "owner", mend, |_| None);
        let shared = self.parsed::<FieldPath>(table, "shared", mend, |_| None);
        let rule = AccessRule {
            owner: owner?,
            shared,
            read: super::read::choice(table, "read").unwrap_or_default(),
            write: super::read::choice(table, "write").unwrap_or_default(),
            without_user: super::read::choice(table, "without_user").unwrap_or_default(),
        };
        self.judge(value.span(), access_rule(&rule));
        Some(rule)
    }

    fn max_documents(&mut self, fields: &DeTable<'_>) -> Option<u32> {
        let value = get(fields, "max_documents")?;
        let DeValue::Integer(given) = value.get_ref() else { return None };
        match given.as_str().parse::<u32>() {
            Ok(count) => {
                self.judge(value.span(), no_room("max_documents", count.into()));
                Some(count)
            }
            Err(_) => {
                let message = format!("`max_documents` must be an integer from 1 to {}", u32::MAX);
                self.report.add(value.span(), message, None);
                None
            }
        }
    }
}

const FIELD: &str = "write a field such as `/owner` or `/address/city`";

fn no_room(name: &str, amount: u64) -> Option<Complaint> {
    (amount == 0).then(|| {
        Complaint::new(
            format!("`{name}` cannot be 0: no document would fit"),
            "leave it out to have no limit of its own",
        )
    })
}

fn second(name: &str) -> Complaint {
    Complaint::new(
        format!("there is another collection `{name}` above"),
        "give each collection a name of its own",
    )
}

fn second_index() -> Complaint {
    Complaint::new("there is another index of these fields above", "remove one of them")
}

fn index_fields(fields: &[FieldPath]) -> Option<Complaint> {
    if fields.is_empty() {
        return Some(Complaint::new("an index needs a field", "write `fields = [\"/createdAt\"]`"));
    }
    if (1..fields.len()).any(|place| fields[..place].contains(&fields[place])) {
        return Some(Complaint::new("the index names a field twice", "remove one of them"));
    }
    too_many("fields", fields.len(), MAX_INDEX_FIELDS)
}

fn access_rule(rule: &AccessRule) -> Option<Complaint> {
    let shares = rule.read == AccessTo::Shared || rule.write == AccessTo::Shared;
    if shares && rule.shared.is_none() {
        return Some(Complaint::new(
            "the rule speaks of shared documents, but not of the field that says with whom",
            "add `shared = \"/sharedWith\"`",
        ));
    }
    if rule.shared.as_ref() == Some(&rule.owner) {
        return Some(Complaint::new(
            "one field cannot hold both the owner and those with whom a document is shared",
            "name two fields",
        ));
    }
    None
}

/// A unique index would tell whoever writes documents of others about those that they do not see.
fn telling(collection: &CollectionManifest) -> Option<Complaint> {
    let rule = collection.access.as_ref()?;
    let unique = collection.indexes.iter().any(|index| index.unique);
    (unique && rule.write != AccessTo::Owner && rule.read != AccessTo::All).then(|| {
        Complaint::new(
            "a unique index would tell users who change the documents of others about documents that they do not see",
            "write `write = \"owner\"` or `read = \"all\"` in `access`, or make the index not unique",
        )
    })
}

/// What is wrong with the collections of a manifest that came in a package.
pub(super) fn problems(collections: &[CollectionManifest], note: &mut dyn FnMut(&str, Option<Complaint>)) {
    note("collections", too_many("collections", collections.len(), MAX_COLLECTIONS));
    for (place, collection) in collections.iter().enumerate() {
        let path = format!("collections[{place}]");
        if collections[..place].iter().any(|other| other.name == collection.name) {
            note(&path, Some(second(collection.name.as_str())));
        }
        note(
            &format!("{path}.description"),
            check::contribution_description(&collection.description),
        );
        let schema = collection.schema.as_ref().and_then(check::schema);
        note(&format!("{path}.schema"), schema.map(|(_, complaint)| complaint));
        note(
            &format!("{path}.indexes"),
            too_many("indexes", collection.indexes.len(), MAX_INDEXES),
        );
        for (number, index) in collection.indexes.iter().enumerate() {
            note(&format!("{path}.indexes[{number}]"), index_fields(&index.fields));
            if collection.indexes[..number].iter().any(|other| other.fields == index.fields) {
                note(&format!("{path}.indexes[{number}]"), Some(second_index()));
            }
        }
        note(&format!("{path}.access"), collection.access.as_ref().and_then(access_rule));
        note(&format!("{path}.indexes"), telling(collection));
        let documents = collection.max_documents.and_then(|count| no_room("max_documents", count.into()));
        note(&format!("{path}.maxDocuments"), documents);
        note(
            &format!("{path}.maxBytes"),
            collection.max_bytes.and_then(|size| no_room("max_bytes", size.0)),
        );
    }
}

/// Collections without the permission to use them.
pub(super) fn unasked(collections: usize, asked: bool) -> Option<Complaint> {
    (collections > 0 && !asked).then(|| {
        Complaint::new(
            "the extension has collections, but does not ask for the permission to use them",
            "add `collections = true` under `[permissions]`",
        )
    })
}
