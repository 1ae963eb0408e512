//! Reading the values: what each text means, and whether the manifest makes sense as a whole.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use serde_json::{Map, Value};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Complaint};
use super::document::{at_pointer, get, items, json, table, text, texts};
use super::parse::Resolve;
use super::report::Report;
use super::structure::short;
use super::{
    Build, Declaration, Engine, LINKS, Language, MAX_CALLS, MAX_CONTRIBUTIONS, MAX_DEPENDENCIES, MAX_HOSTS, MAX_MODELS, MAX_SECRETS,
    MAX_TAGS, Manifest, ProgramManifest, RemoteManifest, Reuse, camel_case,
};
use crate::contribution::ContributionKind;
use crate::limits::{LimitsRequest, TimeSpan};
use crate::money::Money;
use crate::name::{ContributionName, ExtensionName, SecretName};
use crate::permissions::{HostPattern, ModelPermission, Permissions, ProgramPattern};
use crate::remote::{PROTOCOL, RemoteUrl};
use crate::schema::MAX_SCHEMA_BYTES;

/// Reads values and reports what is wrong with them. A value of the wrong type is skipped in silence: the
/// structure check has reported it.
pub(super) struct Reader<'t, 'r> {
    pub(super) report: Report<'t>,
    pub(super) resolve: Resolve<'r>,
}

impl Reader<'_, '_> {
    /// The whole document; absent when a field that a manifest cannot do without is missing or wrong.
    pub(super) fn project(&mut self, root: &DeTable<'_>) -> Option<(Manifest, Build)> {
        let name = self.parsed::<ExtensionName>(root, "name", |_| None, check::name);
        let version = self.parsed(root, "version", whole_version, check::version);
        let description = self.checked(root, "description", check::description);
        let publisher = self.parsed(root, "publisher", |_| None, |_| None);
        let license = self.checked(root, "license", check::license);
        let host_api = self.parsed(
            root,
            "host_api",
            |_| Some("write a range such as `^0.1`".to_owned()),
            check::host_api,
        );
        self.some_contribution(root);
        let programs = self.declarations(root, ContributionKind::Program).into_iter();
        let programs = programs.map(|declared| ProgramManifest {
            name: declared.name,
            description: declared.description,
            input_schema: declared.input_schema,
            output_schema: declared.output_schema,
        });
        let programs = programs.collect();
        let validators = self.declarations(root, ContributionKind::Validator);
        let samplers = self.declarations(root, ContributionKind::Sampler);
        let event_handlers = self.declarations(root, ContributionKind::EventHandler);
        let hooks = self.declarations(root, ContributionKind::Hook);
        let jobs = self.declarations(root, ContributionKind::Job);
        let routes = self.declarations(root, ContributionKind::Route);
        let collections = self.collections(root);
        // Handlers of HTTP are mostly written for hosts that make an instance for each request; some tools' can answer no more.
        let usual = if routes.is_empty() { Reuse::Reuse } else { Reuse::Fresh };
        let permissions = self.permissions(root, name.as_ref());
        if let Some(value) = get(root, "collections") {
            self.judge(
                value.span(),
                super::collections::unasked(collections.len(), permissions.collections),
            );
        }
        let limits = self.limits(root);
        let config_schema = self.config(root);
        let dependencies = self.dependencies(root, name.as_ref());
        let links = self.links(root);
        let tags = self.tags(root);
        let remote = self.remote(root);
        let build = Build {
            dev: table(root, "remote")
                .map(|fields| texts(fields, "dev"))
                .map(owned)
                .filter(|dev| !dev.is_empty()),
            ..self.build(root)
        };
        self.fits_remote(root, remote.is_some());
        let manifest = Manifest {
            name: name?,
            version: version?,
            description: description?,
            publisher: publisher?,
            license: license?,
            host_api: host_api?,
            lifecycle: flag(root, "lifecycle"),
            programs,
            validators,
            samplers,
            event_handlers,
            hooks,
            jobs,
            routes,
            collections,
            permissions,
            limits,
            reuse: choice(root, "reuse").unwrap_or(usual),
            remote,
            config_schema,
            dependencies,
            links,
            tags,
        };
        Some((manifest, build))
    }

    /// A text that is parsed, then judged. `mend` may know better help than the parser's message.
    pub(super) fn parsed<T>(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        mend: impl Fn(&str) -> Option<String>,
        judge: impl Fn(&T) -> Option<Complaint>,
    ) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let (text, span) = text(table, name)?;
        match text.parse::<T>() {
            Ok(value) => {
                if let Some(complaint) = judge(&value) {
                    self.report.complain(span, complaint);
                }
                Some(value)
            }
            Err(error) => {
                let message = error.to_string();
                let message = if message.contains('`') {
                    message
                } else {
                    format!("`{}` is not valid: {message}", short(text))
                };
                self.report.add(span, message, mend(text));
                None
            }
        }
    }

    pub(super) fn checked(&mut self, table: &DeTable<'_>, name: &str, judge: impl Fn(&str) -> Option<Complaint>) -> Option<String> {
        let (text, span) = text(table, name)?;
        self.judge(span, judge(text));
        Some(text.to_owned())
    }

    pub(super) fn judge(&mut self, span: Range<usize>, complaint: Option<Complaint>) {
        if let Some(complaint) = complaint {
            self.report.complain(span, complaint);
        }
    }

    /// Whether there is a contribution of any kind.
    fn some_contribution(&mut self, root: &DeTable<'_>) {
        let tables = ContributionKind::ALL.map(|kind| get(root, kind.table()));
        let mut given = tables.into_iter().flatten();
        let Some(first) = given.next() else {
            self.report.complain_missing(check::nothing_contributed());
            return;
        };
        let empty = |value: &Spanned<DeValue<'_>>| matches!(value.get_ref(), DeValue::Array(items) if items.is_empty());
        if empty(first) && given.all(empty) {
            self.report.complain(first.span(), check::nothing_contributed());
        }
    }

    /// The declarations of one kind; what does not belong to the kind was reported with the structure.
    fn declarations(&mut self, root: &DeTable<'_>, kind: ContributionKind) -> Vec<Declaration> {
        let mut declared: Vec<Declaration> = Vec::new();
        let given: Vec<_> = items(root, kind.table()).collect();
        if let Some(value) = get(root, kind.table()) {
            self.judge(value.span(), check::too_many(&check::spoken(kind), given.len(), MAX_CONTRIBUTIONS));
        }
        let fields_of_kind = Declaration::fields(kind);
        for item in given.into_iter().take(MAX_CONTRIBUTIONS) {
            let DeValue::Table(fields) = item.get_ref() else { continue };
            let description = self
                .checked(fields, "description", check::contribution_description)
                .unwrap_or_default();
            let mut schema = |name: &'static str| fields_of_kind.contains(&name).then(|| self.schema(fields, name)).flatten();
            let input_schema = schema("input_schema").map(|(schema, _)| schema);
            let output_schema = schema("output_schema").map(|(schema, _)| schema);
            let config_schema = schema("config_schema");
            if let Some((schema, span)) = &config_schema
                && schema.is_object()
            {
                self.judge(span.clone(), check::config_schema(schema));
            }
            let name = self.parsed::<ContributionName>(fields, "name", |_| None, |_| None);
            let of_kind = |name: &'static str| fields_of_kind.contains(&name);
            let types = if of_kind("types") { self.types(fields) } else { Vec::new() };
            let hook = of_kind("hook").then(|| self.parsed(fields, "hook", |_| None, |_| None)).flatten();
            let path = of_kind("path").then(|| self.checked(fields, "path", check::route_path)).flatten();
            let access = of_kind("access").then(|| choice(fields, "access").unwrap_or_default());
            let attempts = of_kind("attempts").then(|| self.attempts(fields)).flatten();
            let backoff = of_kind("backoff")
                .then(|| {
                    let mend = |_: &str| Some("write a span of time such as `30s`".to_owned());
                    self.parsed::<TimeSpan>(fields, "backoff", mend, |span| check::backoff(*span))
                })
                .flatten();
            let Some(name) = name else { continue };
            if declared.iter().any(|other| other.name == name) {
                let span = text(fields, "name").map_or_else(|| item.span(), |(_, span)| span);
                self.report.complain(span, check::second(kind, name.as_str()));
            }
            if let Some(path) = &path
                && declared.iter().any(|other| other.path.as_ref() == Some(path))
            {
                let span = text(fields, "path").map_or_else(|| item.span(), |(_, span)| span);
                self.report.complain(span, check::second_path(path));
            }
            declared.push(Declaration {
                name,
                description,
                input_schema,
                output_schema,
                config_schema: config_schema.map(|(schema, _)| schema),
                types,
                hook,
                path,
                access,
                attempts,
                backoff,
            });
        }
        declared
    }

    /// How often a job's run is tried. A wrong type was reported with the structure.
    fn attempts(&mut self, fields: &DeTable<'_>) -> Option<u32> {
        let value = get(fields, "attempts")?;
        let DeValue::Integer(_) = value.get_ref() else { return None };
        let given = self.json(value)?;
        let attempts = given.as_u64().and_then(|given| u32::try_from(given).ok()).unwrap_or(u32::MAX);
        self.judge(value.span(), check::attempts(attempts));
        Some(attempts)
    }

    /// The event types of a handler.
    fn types(&mut self, fields: &DeTable<'_>) -> Vec<String> {
        let given = texts(fields, "types");
        if let Some(value) = get(fields, "types")
            && matches!(value.get_ref(), DeValue::Array(_))
        {
            self.judge(value.span(), check::no_types(given.len()));
        }
        let mut types: Vec<String> = Vec::new();
        for (text, span) in given {
            self.judge(span, check::event_type(text));
            if !types.iter().any(|other| other == text) {
                types.push(text.to_owned());
            }
        }
        types
    }

    /// A schema in place or in a file, checked, with its place.
    pub(super) fn schema(&mut self, fields: &DeTable<'_>, name: &str) -> Option<(Value, Range<usize>)> {
        let given = get(fields, name)?;
        let span = given.span();
        match given.get_ref() {
            DeValue::String(path) => {
                let schema = self.schema_file(path, &span)?;
                if let Some((_, complaint)) = check::schema(&schema) {
                    let message = format!("in `{}`: {}", short(path), complaint.message);
                    self.report.add(span.clone(), message, complaint.help);
                }
                Some((schema, span))
            }
            DeValue::Table(_) | DeValue::Boolean(_) => {
                let schema = self.json(given)?;
                if let Some((at, complaint)) = check::schema(&schema) {
                    self.report.complain(at_pointer(given, &at), complaint);
                }
                Some((schema, span))
            }
            _ => None,
        }
    }

    fn schema_file(&mut self, path: &str, span: &Range<usize>) -> Option<Value> {
        if let Some(complaint) = relative_path(path) {
            self.report.complain(span.clone(), complaint);
            return None;
        }
        let text = match (self.resolve)(path) {
            Ok(text) => text,
            Err(reason) => {
                self.report.add(
                    span.clone(),
                    format!("`{}` cannot be read: {reason}", short(path)),
                    Some("a path is relative to the manifest; write the schema there, or in place as a table".to_owned()),
                );
                return None;
            }
        };
        if text.len() > MAX_SCHEMA_BYTES {
            let message = format!(
                "`{}` has {} bytes; at most {MAX_SCHEMA_BYTES} are accepted",
                short(path),
                text.len()
            );
            self.report
                .add(span.clone(), message, Some("leave out examples and long descriptions".to_owned()));
            return None;
        }
        match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report.add(
                    span.clone(),
                    format!("`{}` is not valid JSON: {error}", short(path)),
                    Some("correct that place in the file".to_owned()),
                );
                None
            }
        }
    }

    fn json(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let mut problems = Vec::new();
        let json = json(value, &mut problems);
        let good = problems.is_empty();
        for (span, message) in problems {
            self.report.add(span, message.to_owned(), None);
        }
        good.then_some(json)
    }

    fn permissions(&mut self, root: &DeTable<'_>, own: Option<&ExtensionName>) -> Permissions {
        let Some(fields) = table(root, "permissions") else {
            return Permissions::default();
        };
        for (name, what, most) in [
            ("network", "hosts", MAX_HOSTS),
            ("private_network", "networks", MAX_HOSTS),
            ("call", "programs", MAX_CALLS),
        ] {
            if let Some(value) = get(fields, name) {
                self.judge(value.span(), check::too_many(what, items(fields, name).count(), most));
            }
        }
        let network = self.each(fields, "network", |_| {
            Some("write a host such as `api.example.com` or `*.example.com`".to_owned())
        });
        for (text, span) in texts(fields, "call") {
            let pattern = text.parse::<ProgramPattern>().ok();
            self.judge(span, pattern.and_then(|pattern| check::own_call(own, &pattern)));
        }
        Permissions {
            key_value: flag(fields, "key_value"),
            collections: flag(fields, "collections"),
            call: self.each(fields, "call", |_| {
                Some("write a program such as `geo/lookup`, or `geo/*` for every program of `geo`".to_owned())
            }),
            secrets: self.secrets(fields, &network),
            network,
            queue: flag(fields, "queue"),
            model: self.model(fields),
            private_network: self.each(fields, "private_network", |text| {
                Some(text.parse::<std::net::IpAddr>().map_or_else(
                    |_| "write a network such as `10.0.0.0/8` or `fd00::/8`".to_owned(),
                    |address| format!("write `{}`", ipnet::IpNet::from(address)),
                ))
            }),
        }
    }

    /// What is asked of the model. Unknown fields and wrong types were reported with the structure.
    fn model(&mut self, fields: &DeTable<'_>) -> Option<ModelPermission> {
        let given = table(fields, "model")?;
        if let Some(value) = get(given, "models") {
            self.judge(value.span(), check::too_many("models", items(given, "models").count(), MAX_MODELS));
        }
        let models = self.each(given, "models", |_| {
            Some("write the name of a model, such as `gpt-4o-mini`".to_owned())
        });
        let mut spend = |name: &str| {
            let value = get(given, name)?;
            let amount = match value.get_ref() {
                DeValue::Integer(_) | DeValue::Float(_) => self.json(value)?.as_f64()?,
                _ => return None,
            };
            let spend = Money::new(amount);
            if let Err(error) = &spend {
                self.report.add(value.span(), error.to_string(), None);
            }
            spend.ok()
        };
        Some(ModelPermission {
            spend_per_day: spend("spend_per_day"),
            spend_per_month: spend("spend_per_month"),
            models,
        })
    }

    /// The secrets with their hosts, all of which `network` must cover.
    fn secrets(&mut self, fields: &DeTable<'_>, network: &[HostPattern]) -> BTreeMap<SecretName, Vec<HostPattern>> {
        let mut secrets = BTreeMap::new();
        let Some(given) = table(fields, "secrets") else {
            return secrets;
        };
        if let Some(value) = get(fields, "secrets") {
            self.judge(value.span(), check::too_many("secrets", given.iter().count(), MAX_SECRETS));
        }
        for (key, value) in given {
            let name = key.get_ref().parse::<SecretName>();
            if let Err(error) = &name {
                self.report.add(key.span(), error.to_string(), None);
            }
            let key: &str = key.get_ref();
            if matches!(value.get_ref(), DeValue::Array(_)) {
                self.judge(value.span(), check::no_secret_hosts(items(given, key).count()));
            }
            for (text, span) in texts(given, key) {
                let host = text.parse::<HostPattern>().ok();
                self.judge(span, host.and_then(|host| check::secret_host(&host, network)));
            }
            let hosts = self.each(given, key, |_| Some("write a host such as `api.example.com`".to_owned()));
            if let Ok(name) = name {
                secrets.insert(name, hosts);
            }
        }
        secrets
    }

    /// Every text of an array, parsed.
    pub(super) fn each<T: FromStr<Err: Display>>(
        &mut self,
        fields: &DeTable<'_>,
        name: &str,
        mend: impl Fn(&str) -> Option<String>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (text, span) in texts(fields, name) {
            match text.parse::<T>() {
                Ok(value) => values.push(value),
                Err(error) => {
                    let message = error.to_string();
                    let message = if message.contains('`') {
                        message
                    } else {
                        format!("`{}` is not valid: {message}", short(text))
                    };
                    self.report.add(span, message, mend(text));
                }
            }
        }
        values
    }

    fn limits(&mut self, root: &DeTable<'_>) -> LimitsRequest {
        let mut good = Map::new();
        for (key, value) in table(root, "limits").into_iter().flat_map(|fields| fields.iter()) {
            let name: &str = key.get_ref();
            let shape = &super::shape::schema()["properties"]["limits"]["properties"][name];
            // Unknown names and wrong types were reported with the structure.
            let (DeValue::String(_) | DeValue::Integer(_)) = value.get_ref() else {
                continue;
            };
            if shape.is_null() {
                continue;
            }
            let Some(json) = self.json(value) else { continue };
            let one = Value::Object(Map::from_iter([(camel_case(name), json.clone())]));
            match serde_json::from_value::<LimitsRequest>(one) {
                Ok(asked) => {
                    let complaint = check::limit(name, &asked);
                    if complaint.is_none() {
                        good.insert(camel_case(name), json);
                    }
                    self.judge(value.span(), complaint);
                }
                Err(_) if shape["type"] == "integer" && json.is_i64() | json.is_u64() => {
                    let message = format!("`limits.{name}` must be an integer from 0 to {}", u32::MAX);
                    self.report.add(value.span(), message, None);
                }
                Err(_) if json.is_string() && shape["type"] == "integer" => {}
                Err(_) if json.is_i64() && shape["type"] != "string" => {
                    self.report.add(value.span(), format!("`limits.{name}` cannot be negative"), None);
                }
                Err(error) if json.is_string() => {
                    let example = super::structure::inline(&shape["default"]);
                    self.report
                        .add(value.span(), error.to_string(), Some(format!("write `{name} = {example}`")));
                }
                Err(_) => {}
            }
        }
        serde_json::from_value(Value::Object(good)).unwrap_or_default()
    }

    fn config(&mut self, root: &DeTable<'_>) -> Option<Value> {
        let (schema, span) = self.schema(table(root, "config")?, "schema")?;
        if schema.is_object() {
            self.judge(span, check::config_schema(&schema));
        }
        Some(schema)
    }

    fn dependencies(&mut self, root: &DeTable<'_>, own: Option<&ExtensionName>) -> BTreeMap<ExtensionName, semver::VersionReq> {
        let mut dependencies = BTreeMap::new();
        let Some(fields) = table(root, "dependencies") else {
            return dependencies;
        };
        if let Some(value) = get(root, "dependencies") {
            self.judge(
                value.span(),
                check::too_many("dependencies", fields.iter().count(), MAX_DEPENDENCIES),
            );
        }
        for (key, value) in fields {
            let name = match key.get_ref().parse::<ExtensionName>() {
                Ok(name) => {
                    self.judge(key.span(), check::own_dependency(own, &name));
                    Some(name)
                }
                Err(error) => {
                    self.report.add(key.span(), error.to_string(), None);
                    None
                }
            };
            let Some(text) = value.get_ref().as_str() else { continue };
            match text.parse() {
                Ok(range) => {
                    if let Some(name) = name {
                        dependencies.insert(name, range);
                    }
                }
                Err(error) => self.report.add(
                    value.span(),
                    format!("`{}` is not a version range: {error}", short(text)),
                    Some("write a range such as `^1.2` or `>=1.2, <3`".to_owned()),
                ),
            }
        }
        dependencies
    }

    fn links(&mut self, root: &DeTable<'_>) -> BTreeMap<String, url::Url> {
        let mut links = BTreeMap::new();
        let Some(fields) = table(root, "links") else { return links };
        for name in LINKS {
            let example = || Some("write a URL such as `https://example.com/project`".to_owned());
            if let Some(url) = self.parsed::<url::Url>(fields, name, |_| example(), check::link) {
                links.insert(name.to_owned(), url);
            }
        }
        links
    }

    fn tags(&mut self, root: &DeTable<'_>) -> Vec<String> {
        let given = texts(root, "tags");
        if let Some(value) = get(root, "tags") {
            self.judge(value.span(), check::too_many("tags", given.len(), MAX_TAGS));
        }
        let mut tags: Vec<String> = Vec::new();
        for (tag, span) in given {
            self.judge(span, check::tag(tag));
            if !tags.iter().any(|other| other == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    fn build(&mut self, root: &DeTable<'_>) -> Build {
        let Some(fields) = table(root, "build") else {
            return Build::default();
        };
        let language = choice::<Language>(fields, "language");
        if let (Some(engine), Some(language)) = (get(fields, "engine"), language)
            && language != Language::Javascript
        {
            self.report.add(
                engine.span(),
                "`build.engine` is only for JavaScript".to_owned(),
                Some("remove the line".to_owned()),
            );
        }
        let command: Vec<String> = texts(fields, "command").into_iter().map(|(text, _)| text.to_owned()).collect();
        if let Some(value) = get(fields, "command")
            && command.first().is_none_or(String::is_empty)
            && matches!(value.get_ref(), DeValue::Array(_))
        {
            self.report.add(
                value.span(),
                "`build.command` names no program".to_owned(),
                Some("write `command = [\"make\", \"component\"]`".to_owned()),
            );
        }
        let mut assets = Vec::new();
        for (path, span) in texts(fields, "assets") {
            self.judge(span, relative_path(path));
            assets.push(path.to_owned());
        }
        Build {
            language,
            entry: self.checked(fields, "entry", relative_path),
            component: self.checked(fields, "component", relative_path),
            engine: choice::<Engine>(fields, "engine").unwrap_or_default(),
            wasi: flag(fields, "wasi"),
            assets,
            command: get(fields, "command").map(|_| command),
            dev: None,
        }
    }

    fn remote(&mut self, root: &DeTable<'_>) -> Option<RemoteManifest> {
        let fields = table(root, "remote")?;
        if let Some(value) = get(fields, "dev")
            && texts(fields, "dev").first().is_none_or(|(program, _)| program.is_empty())
            && matches!(value.get_ref(), DeValue::Array(_))
        {
            let help = "write `dev = [\"go\", \"run\", \".\"]`".to_owned();
            self.report
                .add(value.span(), "`remote.dev` names no program".to_owned(), Some(help));
        }
        let protocol = get(fields, "protocol").and_then(|value| value.get_ref().as_integer()?.as_str().parse().ok());
        let protocol = protocol.unwrap_or(PROTOCOL);
        if let Some(value) = get(fields, "protocol") {
            self.judge(value.span(), check::remote_protocol(protocol));
        }
        let url = self.parsed(fields, "url", |_| None, |_: &RemoteUrl| None);
        Some(RemoteManifest { protocol, url })
    }

    /// What a remote extension cannot have.
    fn fits_remote(&mut self, root: &DeTable<'_>, remote: bool) {
        if !remote {
            return;
        }
        for name in ["build", "reuse", "routes"] {
            if let Some(value) = get(root, name) {
                self.judge(value.span(), check::beside_remote(name));
            }
        }
        if let Some(fields) = table(root, "permissions") {
            for name in ["network", "private_network", "secrets"] {
                if let Some(value) = get(fields, name) {
                    self.judge(value.span(), check::beside_remote(name));
                }
            }
        }
    }
}

fn owned(texts: Vec<(&str, Range<usize>)>) -> Vec<String> {
    texts.into_iter().map(|(text, _)| text.to_owned()).collect()
}

fn flag(fields: &DeTable<'_>, name: &str) -> bool {
    get(fields, name).and_then(|value| value.get_ref().as_bool()).unwrap_or_default()
}

/// One of a set of words. A word outside of it was reported with the structure.
pub(super) fn choice<T: serde::de::DeserializeOwned>(fields: &DeTable<'_>, name: &str) -> Option<T> {
    serde_json::from_value(text(fields, name)?.0.into()).ok()
}

/// A path below the manifest's directory, written the same on every system.
fn relative_path(path: &str) -> Option<Complaint> {
    let help = "write a path below the manifest's directory with `/` between names, such as `schemas/input.json`";
    let wrong = if path.is_empty() {
        "the path is empty"
    } else if path.len() > 256 {
        "the path has more than 256 characters"
    } else if path.contains('\\') {
        "the path has a backslash"
    } else if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        "the path is absolute"
    } else if path.chars().any(char::is_control) {
        "the path has control characters"
    } else if path.split('/').any(|part| part == "..") {
        "the path climbs out of the manifest's directory"
    } else {
        return None;
    };
    Some(Complaint::new(format!("`{}` cannot be used: {wrong}", short(path)), help))
}

/// `1` and `v1.2` are what people write for 1.0.0 and 1.2.0.
fn whole_version(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let parts = text.split('.').count();
    let whole = format!("{text}{}", ".0".repeat(3_usize.saturating_sub(parts)));
    let good = whole.parse::<semver::Version>().is_ok();
    Some(if good {
        format!("write `version = \"{whole}\"`")
    } else {
        "write three numbers, such as `0.1.0`".to_owned()
    })
}
