//! What a manifest's values must be beyond their types. The TOML parser asks these questions with a place in
//! the text at hand; [`Manifest::problems`] asks them of a manifest that came in a package.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::structure::short;
use super::{
    Declaration, HOST_API, LINKS, MAX_CALLS, MAX_CONTRIBUTIONS, MAX_DEPENDENCIES, MAX_DESCRIPTION, MAX_HOSTS, MAX_MODELS, MAX_PATH,
    MAX_SECRET_HOSTS, MAX_SECRETS, MAX_TAG, MAX_TAGS, MAX_TYPES, Manifest,
};
use crate::contribution::ContributionKind;
use crate::error_code::ErrorCode;
use crate::job::{MAX_ATTEMPTS, MAX_BACKOFF_MS};
use crate::limits::{Limits, LimitsRequest, TimeSpan};
use crate::name::ExtensionName;
use crate::permissions::{HostPattern, ProgramPattern};
use crate::remote::PROTOCOL;
use crate::schema::{Schema, SchemaError};

/// One thing wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) code: ErrorCode,
    /// Byte offset within the text that it is about.
    pub(super) at: Option<usize>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Some(help.into()),
            code: ErrorCode::ManifestInvalid,
            at: None,
        }
    }
}

/// A problem of a manifest outside of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which value, such as `license` or `programs[2].inputSchema`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// [`ErrorCode::ManifestInvalid`] or [`ErrorCode::HostApiUnsupported`].
    pub code: ErrorCode,
}

pub(super) fn name(name: &ExtensionName) -> Option<Complaint> {
    (name.as_str() == "oriel").then(|| Complaint::new("the name `oriel` is reserved", "choose another name, such as `oriel-notes`"))
}

pub(super) fn version(version: &semver::Version) -> Option<Complaint> {
    if !version.build.is_empty() {
        let mut plain = version.clone();
        plain.build = semver::BuildMetadata::EMPTY;
        return Some(Complaint::new(
            "a version cannot carry build metadata: two releases must differ in what orders them",
            format!("write `version = \"{plain}\"`"),
        ));
    }
    (version.to_string().len() > 64).then(|| Complaint::new("the version has more than 64 characters", "shorten the pre-release part"))
}

pub(super) fn description(text: &str) -> Option<Complaint> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Some(Complaint::new(
            "the description is empty",
            "say in one or two sentences what the extension does",
        ));
    }
    if length > MAX_DESCRIPTION {
        return Some(Complaint::new(
            format!("the description has {length} characters; at most {MAX_DESCRIPTION} are accepted"),
            "keep one or two sentences and move the rest to README.md",
        ));
    }
    control(text)
}

/// Descriptions are printed in terminals and logs.
fn control(text: &str) -> Option<Complaint> {
    text.chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
        .then(|| Complaint::new("the description holds control characters", "remove them"))
}

pub(super) fn contribution_description(text: &str) -> Option<Complaint> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Some(Complaint::new(
            format!("the description has more than {MAX_DESCRIPTION} characters"),
            "keep one line and move the rest to README.md",
        ));
    }
    control(text)
}

pub(super) fn license(text: &str) -> Option<Complaint> {
    if text.len() > 256 {
        return Some(Complaint::new(
            "the licence has more than 256 characters",
            "name licences by their SPDX identifiers",
        ));
    }
    let error = spdx::Expression::parse(text).err()?;
    let part = text.get(error.span.clone()).unwrap_or(text);
    let meant = spdx::imprecise_license_id(part.trim())
        .map(|(license, _)| license.name)
        .or_else(|| super::hint::nearest(part, spdx::identifiers::LICENSES.iter().map(|license| license.name)));
    Some(Complaint {
        at: Some(error.span.start),
        ..Complaint::new(
            format!("`{}` is not an SPDX licence expression: {}", short(text), error.reason),
            meant.map_or_else(
                || {
                    "write an identifier from https://spdx.org/licenses, such as `Apache-2.0`, or `LicenseRef-NAME` for one of your own"
                        .to_owned()
                },
                |meant| format!("did you mean `{meant}`?"),
            ),
        )
    })
}

pub(super) fn host_api(range: &semver::VersionReq) -> Option<Complaint> {
    (!range.matches(&HOST_API)).then(|| Complaint {
        code: ErrorCode::HostApiUnsupported,
        ..Complaint::new(
            format!("the extension wants guest API `{range}`, but this build speaks {HOST_API}"),
            format!(
                "write `host_api = \"^{}.{}\"` after building with a kit for it",
                HOST_API.major, HOST_API.minor
            ),
        )
    })
}

pub(super) fn tag(text: &str) -> Option<Complaint> {
    let good = text.len() <= MAX_TAG && text.parse::<ExtensionName>().is_ok();
    (!good).then(|| {
        Complaint::new(
            format!("`{}` is not a valid tag", short(text)),
            format!("use 1 to {MAX_TAG} characters of a-z, 0-9 and single `-` inside, starting with a letter"),
        )
    })
}

pub(super) fn too_many(what: &str, count: usize, most: usize) -> Option<Complaint> {
    (count > most).then(|| Complaint::new(format!("there are {count} {what}; at most {most} are accepted"), "remove some"))
}

pub(super) fn link(url: &url::Url) -> Option<Complaint> {
    if !matches!(url.scheme(), "https" | "http") {
        return Some(Complaint::new(
            format!("a link must be http or https, not `{}`", short(url.scheme())),
            "write a URL such as `https://example.com/project`",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some(Complaint::new(
            "a link cannot carry a user or password",
            "remove what stands before the `@`",
        ));
    }
    (url.as_str().len() > 512).then(|| Complaint::new("the link has more than 512 characters", "shorten it"))
}

/// What one axis of `[limits]` may not be. Zero is a sensible answer for some (no queue, no requests) and
/// makes a call impossible for others.
pub(super) fn limit(name: &str, asked: &LimitsRequest) -> Option<Complaint> {
    let zero = match name {
        "memory" => asked.memory.is_some_and(|size| size.0 == 0),
        "input" => asked.input.is_some_and(|size| size.0 == 0),
        "output" => asked.output.is_some_and(|size| size.0 == 0),
        "timeout" => asked.timeout.is_some_and(|span| span.0.is_zero()),
        "cpu" => asked.cpu.is_some_and(|span| span.0.is_zero()),
        "start_timeout" => asked.start_timeout.is_some_and(|span| span.0.is_zero()),
        "core_instances" => asked.core_instances == Some(0),
        "instances" => asked.instances == Some(0),
        _ => false,
    };
    if zero {
        return Some(Complaint::new(
            format!("`limits.{name}` cannot be 0: no call could run"),
            format!("leave it out for the default, {}", axis(&Limits::default(), name)),
        ));
    }
    let ceiling = Limits::ceiling();
    Limits::above(asked, &ceiling).contains(&name).then(|| {
        let most = axis(&ceiling, name);
        Complaint::new(
            format!("`limits.{name}` asks for more than the platform allows"),
            format!("ask for {most} or less"),
        )
    })
}

fn axis(limits: &Limits, name: &str) -> String {
    let axes = super::shape::axes(limits);
    axes.get(name)
        .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

pub(super) fn own_dependency(own: Option<&ExtensionName>, name: &ExtensionName) -> Option<Complaint> {
    (own == Some(name)).then(|| Complaint::new("an extension cannot depend on itself", "remove the line"))
}

pub(super) fn own_call(own: Option<&ExtensionName>, pattern: &ProgramPattern) -> Option<Complaint> {
    (own == Some(pattern.extension())).then(|| {
        Complaint::new(
            format!("`{pattern}` is the extension itself, which cannot call itself through the host"),
            "remove it and call the function directly",
        )
    })
}

pub(super) fn no_secret_hosts(count: usize) -> Option<Complaint> {
    if count == 0 {
        return Some(Complaint::new(
            "a secret needs the hosts that it may be sent to",
            "write a host such as `[\"api.example.com\"]`",
        ));
    }
    too_many("hosts", count, MAX_SECRET_HOSTS)
}

/// A host of a secret that no request can reach.
pub(super) fn secret_host(host: &HostPattern, network: &[HostPattern]) -> Option<Complaint> {
    let wanted = host.for_secrets();
    (!network.iter().any(|given| given.covers(&wanted))).then(|| {
        Complaint::new(
            format!("the secret may go to `{host}`, but `network` does not list that host"),
            format!("add `\"{host}\"` to `network`, too"),
        )
    })
}

/// Answers also where in the schema the problem is, as a JSON pointer.
pub(super) fn schema(schema: &Value) -> Option<(String, Complaint)> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Some((
            String::new(),
            Complaint::new(
                "a JSON Schema is an object, true or false",
                "write an object such as {\"type\": \"object\"}",
            ),
        ));
    }
    let error = Schema::compile(schema).err()?;
    let (at, help) = match &error {
        SchemaError::TooLarge { .. } => (String::new(), "accept more with less: leave out examples and long descriptions"),
        SchemaError::TooDeep => (
            String::new(),
            "move inner parts to `$defs` and refer to them by `$ref = \"#/$defs/…\"`",
        ),
        SchemaError::RemoteReference { reference } => (
            find_reference(schema, reference, &mut String::new()).unwrap_or_default(),
            "copy the other document's parts under `$defs` in this schema",
        ),
        SchemaError::Invalid { path, .. } => (path.clone(), "see https://json-schema.org/understanding-json-schema"),
    };
    Some((at, Complaint::new(error.to_string(), help)))
}

pub(super) fn config_schema(schema: &Value) -> Option<Complaint> {
    (schema.get("type") != Some(&Value::from("object"))).then(|| {
        Complaint::new(
            "the configuration schema must have type `object`",
            "add `type = \"object\"` to it: a configuration is a set of named values",
        )
    })
}

/// The JSON pointer of the reference.
fn find_reference(schema: &Value, reference: &str, path: &mut String) -> Option<String> {
    let step = |path: &mut String, key: &str, item: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let matches = matches!(key, "$ref" | "$dynamicRef") && item.as_str().is_some_and(|text| text.starts_with(reference));
        let found = if matches {
            Some(path.clone())
        } else {
            find_reference(item, reference, path)
        };
        path.truncate(length);
        found
    };
    match schema {
        Value::Object(map) => map.iter().find_map(|(key, item)| step(path, key, item)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| step(path, &index.to_string(), item)),
        _ => None,
    }
}

impl Manifest {
    /// Everything wrong with a manifest whose fields are of the right types already: the same checks that
    /// [`super::parse`] makes. Empty for each manifest that it answers.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut note = |path: &str, complaint: Option<Complaint>| {
            if let Some(complaint) = complaint {
                found.push(Problem {
                    path: path.to_owned(),
                    message: complaint.message,
                    code: complaint.code,
                });
            }
        };
        note("name", name(&self.name));
        note("version", version(&self.version));
        note("description", description(&self.description));
        note("license", license(&self.license));
        note("hostApi", host_api(&self.host_api));
        note("tags", too_many("tags", self.tags.len(), MAX_TAGS));
        for (index, text) in self.tags.iter().enumerate() {
            note(&format!("tags[{index}]"), tag(text));
        }
        if !ContributionKind::ALL.into_iter().any(|kind| self.has(kind)) {
            note("programs", Some(nothing_contributed()));
        }
        note("programs", too_many("programs", self.programs.len(), MAX_CONTRIBUTIONS));
        let mut names = BTreeSet::new();
        for (index, program) in self.programs.iter().enumerate() {
            let path = format!("programs[{index}]");
            if !names.insert(&program.name) {
                note(
                    &path,
                    Some(Complaint::new(format!("there is another program `{}`", program.name), "")),
                );
            }
            note(&format!("{path}.description"), contribution_description(&program.description));
            for (field, value) in [("inputSchema", &program.input_schema), ("outputSchema", &program.output_schema)] {
                note(
                    &format!("{path}.{field}"),
                    value.as_ref().and_then(schema).map(|(_, complaint)| complaint),
                );
            }
        }
        for kind in ContributionKind::ALL {
            declarations(kind, self.declared(kind), &mut note);
        }
        super::collections::problems(&self.collections, &mut note);
        note(
            "permissions.collections",
            super::collections::unasked(self.collections.len(), self.permissions.collections),
        );
        note("permissions.network", too_many("hosts", self.permissions.network.len(), MAX_HOSTS));
        let networks = self.permissions.private_network.len();
        note("permissions.private_network", too_many("networks", networks, MAX_HOSTS));
        note("permissions.call", too_many("programs", self.permissions.call.len(), MAX_CALLS));
        for pattern in &self.permissions.call {
            note("permissions.call", own_call(Some(&self.name), pattern));
        }
        note(
            "permissions.secrets",
            too_many("secrets", self.permissions.secrets.len(), MAX_SECRETS),
        );
        for (name, hosts) in &self.permissions.secrets {
            let path = format!("permissions.secrets.{name}");
            note(&path, no_secret_hosts(hosts.len()));
            for host in hosts {
                note(&path, secret_host(host, &self.permissions.network));
            }
        }
        if let Some(model) = &self.permissions.model {
            note("permissions.model.models", too_many("models", model.models.len(), MAX_MODELS));
        }
        for axis in super::shape::axes(&Limits::default()).keys() {
            note(&format!("limits.{axis}"), limit(axis, &self.limits));
        }
        if let Some(value) = &self.config_schema {
            note(
                "configSchema",
                schema(value).map(|(_, complaint)| complaint).or_else(|| config_schema(value)),
            );
        }
        if let Some(remote) = &self.remote {
            note("remote.protocol", remote_protocol(remote.protocol));
            let asked = &self.permissions;
            for (path, name, there) in [
                ("routes", "routes", !self.routes.is_empty()),
                ("permissions.network", "network", !asked.network.is_empty()),
                ("permissions.private_network", "private_network", !asked.private_network.is_empty()),
                ("permissions.secrets", "secrets", !asked.secrets.is_empty()),
            ] {
                note(path, there.then(|| beside_remote(name)).flatten());
            }
        }
        note("dependencies", too_many("dependencies", self.dependencies.len(), MAX_DEPENDENCIES));
        for other in self.dependencies.keys() {
            note(&format!("dependencies.{other}"), own_dependency(Some(&self.name), other));
        }
        links(&self.links, &mut note);
        found
    }
}

fn links(links: &BTreeMap<String, url::Url>, note: &mut dyn FnMut(&str, Option<Complaint>)) {
    for (name, url) in links {
        let known = LINKS.contains(&name.as_str());
        let path = format!("links.{}", short(name));
        note(&path, (!known).then(|| Complaint::new("there is no link of this name", "")));
        note(&path, link(url));
    }
}

/// The declarations of one kind, of a manifest that came in a package.
fn declarations(kind: ContributionKind, declared: &[Declaration], note: &mut dyn FnMut(&str, Option<Complaint>)) {
    let table = super::camel_case(kind.table());
    note(&table, too_many(&spoken(kind), declared.len(), MAX_CONTRIBUTIONS));
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, declaration) in declared.iter().enumerate() {
        let path = format!("{table}[{index}]");
        if !names.insert(&declaration.name) {
            note(&path, Some(second(kind, declaration.name.as_str())));
        }
        note(&format!("{path}.description"), contribution_description(&declaration.description));
        for (field, value) in [
            ("input_schema", &declaration.input_schema),
            ("output_schema", &declaration.output_schema),
            ("config_schema", &declaration.config_schema),
        ] {
            let complaint = value.as_ref().and_then(|value| {
                foreign(kind, field)
                    .or_else(|| schema(value).map(|(_, complaint)| complaint))
                    .or_else(|| (field == "config_schema").then(|| config_schema(value)).flatten())
            });
            note(&format!("{path}.{}", super::camel_case(field)), complaint);
        }
        for (field, given) in [
            ("types", !declaration.types.is_empty()),
            ("hook", declaration.hook.is_some()),
            ("path", declaration.path.is_some()),
            ("access", declaration.access.is_some()),
            ("attempts", declaration.attempts.is_some()),
            ("backoff", declaration.backoff.is_some()),
        ] {
            note(&format!("{path}.{field}"), given.then(|| foreign(kind, field)).flatten());
        }
        note(&format!("{path}.attempts"), declaration.attempts.and_then(attempts));
        note(&format!("{path}.backoff"), declaration.backoff.and_then(backoff));
        if kind == ContributionKind::EventHandler {
            note(&format!("{path}.types"), no_types(declaration.types.len()));
            for text in &declaration.types {
                note(&format!("{path}.types"), event_type(text));
            }
        }
        if kind == ContributionKind::Route {
            let given = declaration.path.as_deref().unwrap_or_default();
            note(&format!("{path}.path"), route_path(given));
            if !paths.insert(given) {
                note(&format!("{path}.path"), Some(second_path(given)));
            }
        }
    }
}

pub(super) fn remote_protocol(protocol: u32) -> Option<Complaint> {
    (protocol != PROTOCOL).then(|| {
        Complaint::new(
            format!("the service speaks version {protocol} of the protocol, but this build speaks {PROTOCOL}"),
            format!("write `protocol = {PROTOCOL}`, or leave it out"),
        )
    })
}

/// What a remote extension cannot have, by its name in the manifest.
pub(super) fn beside_remote(name: &str) -> Option<Complaint> {
    Some(match name {
        "build" => Complaint::new("a remote extension has no component to build", "remove `[build]`, or `[remote]`"),
        "reuse" => Complaint::new("a remote extension has no instances to reuse", "remove the line"),
        "routes" => Complaint::new(
            "a remote extension cannot have routes: its service answers HTTP at an address of its own",
            "remove `[[routes]]`; link to the service's own pages",
        ),
        "network" | "private_network" => Complaint::new(
            format!("a remote extension cannot ask for `{name}`: what its service reaches does not pass through the host"),
            "remove the line",
        ),
        "secrets" => Complaint::new(
            "a remote extension cannot ask for `secrets`: the host puts secrets only into requests that it sends itself",
            "remove it; give the service its secrets where it runs",
        ),
        _ => return None,
    })
}

pub(super) fn attempts(given: u32) -> Option<Complaint> {
    (!(1..=MAX_ATTEMPTS).contains(&given)).then(|| {
        Complaint::new(
            format!("a run has 1 to {MAX_ATTEMPTS} attempts"),
            format!("write a number from 1 to {MAX_ATTEMPTS}"),
        )
    })
}

pub(super) fn backoff(given: TimeSpan) -> Option<Complaint> {
    let most = TimeSpan(std::time::Duration::from_millis(MAX_BACKOFF_MS));
    (given > most).then(|| Complaint::new(format!("the pause is at most {most}"), format!("write `{most}` or less")))
}

/// A kind in the plural, for people.
pub(super) fn spoken(kind: ContributionKind) -> String {
    kind.table().replace('_', " ")
}

/// A field that the kind does not have.
fn foreign(kind: ContributionKind, field: &str) -> Option<Complaint> {
    (!Declaration::fields(kind).contains(&field)).then(|| Complaint::new(format!("there is no such field in {}", spoken(kind)), ""))
}

pub(super) fn second(kind: ContributionKind, name: &str) -> Complaint {
    let kind = kind.as_str().replace('-', " ");
    Complaint::new(
        format!("there is another {kind} `{name}` above"),
        format!("give each {kind} a name of its own"),
    )
}

pub(super) fn second_path(path: &str) -> Complaint {
    Complaint::new(
        format!("there is another route with the path `{}` above", short(path)),
        "give each route a path of its own",
    )
}

pub(super) fn no_types(count: usize) -> Option<Complaint> {
    if count == 0 {
        return Some(Complaint::new(
            "an event handler needs the event types that it is written for",
            "write `types = [\"order.created\"]`",
        ));
    }
    too_many("event types", count, MAX_TYPES)
}

pub(super) fn event_type(text: &str) -> Option<Complaint> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'*');
    let good = (1..=256).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '_', '-']);
    (!good).then(|| {
        Complaint::new(
            format!("`{}` is not an event type", short(text)),
            "write a type such as `order.created`, or with `*` for any text, `order.*`",
        )
    })
}

/// A path that cannot be read in two ways: no empty, `.` or `..` segments, nothing encoded.
pub(super) fn route_path(path: &str) -> Option<Complaint> {
    let segment = |text: &str| {
        !matches!(text, "" | "." | "..")
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'))
    };
    let good = path.len() <= MAX_PATH
        && path
            .strip_prefix('/')
            .is_some_and(|rest| rest.is_empty() || rest.split('/').all(segment));
    (!good).then(|| {
        Complaint::new(
            format!("`{}` cannot be a route's path", short(path)),
            "write a path such as `/notes`: segments of A-Z, a-z, 0-9, `.`, `_`, `~` and `-`, without a `/` at the end",
        )
    })
}

pub(super) fn nothing_contributed() -> Complaint {
    Complaint::new(
        "the extension contributes nothing",
        "add a program: `[[programs]]` and under it `name = \"classify\"`",
    )
}
