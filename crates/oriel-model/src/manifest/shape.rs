//! The shape of `extension.toml`, written once: the published JSON Schema is derived from these types, and the
//! parser checks field names, types and required fields against that same schema (see [`super::structure`]).
//!
//! The types are never filled in: the parser keeps places in the text, which typed values would lose.
#![expect(dead_code, reason = "only the schema of these types is used")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{MAX_CONTRIBUTIONS, MAX_DESCRIPTION, MAX_PATH, MAX_TAG, MAX_TAGS, MAX_TYPES, Reuse};
use crate::collection::{AccessTo, FieldPath, MAX_COLLECTIONS, MAX_INDEX_FIELDS, MAX_INDEXES, WithoutUser};
use crate::contribution::RouteAccess;
use crate::job::{DEFAULT_ATTEMPTS, DEFAULT_BACKOFF_MS, MAX_ATTEMPTS};
use crate::limits::{ByteSize, Limits, LimitsRequest, TimeSpan};
use crate::name::{ContributionName, ExtensionName, HookName, PublisherName};
use crate::permissions::Permissions;

/// The manifest of an Oriel extension, `extension.toml`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Project {
    /// The extension's name: lower-case words joined by `-`. `oriel` itself is reserved.
    #[schemars(example = &"flight-delays")]
    name: ExtensionName,
    /// The release's semantic version, without build metadata. A published version never changes.
    #[schemars(example = &"0.1.0", regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"))]
    version: String,
    /// One or two sentences for people.
    #[schemars(example = &"Classifies flight delays by their cause.", length(min = 1, max = MAX_DESCRIPTION))]
    description: String,
    /// Who owns the name.
    #[schemars(example = &"acme")]
    publisher: PublisherName,
    /// Licence as an SPDX expression.
    #[schemars(example = &"Apache-2.0", example = &"MIT OR Apache-2.0", length(min = 1, max = 256))]
    license: String,
    /// The guest API versions that the extension was written for.
    #[schemars(example = &"^0.1")]
    host_api: String,
    /// Whether the component exports `lifecycle` (initialize, health-check, check-config, shutdown).
    #[schemars(default)]
    lifecycle: bool,
    /// How instances are reused: `reuse` serves many calls, one at a time, with one instance; `fresh` makes a
    /// new instance for each call. Without it an extension with routes is `fresh`, because the handlers of some tools answer one
    /// request and no more.
    #[schemars(default)]
    reuse: Reuse,
    /// Words for search: up to 10, lower case.
    #[schemars(extend("examples" = [["github", "triage"]]), length(max = MAX_TAGS), inner(length(min = 1, max = MAX_TAG), regex(pattern = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$")))]
    tags: Option<Vec<String>>,
    /// The programs that the extension offers: named functions from JSON to JSON.
    #[schemars(extend("examples" = [[{"name": "classify", "description": "Names the cause of a delay."}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    programs: Option<Vec<Program>>,
    /// The validators that it offers: each judges an execution.
    #[schemars(extend("examples" = [[{"name": "plausible", "description": "Checks that a delay is plausible."}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    validators: Option<Vec<Judge>>,
    /// The samplers that it offers: each picks the executions that are judged.
    #[schemars(extend("examples" = [[{"name": "one-in-ten"}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    samplers: Option<Vec<Judge>>,
    /// The event handlers that it offers.
    #[schemars(extend("examples" = [[{"name": "on-order", "types": ["order.*"]}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    event_handlers: Option<Vec<EventHandler>>,
    /// The hook handlers that it offers: each answers hooks that a host or the platform fires.
    #[schemars(extend("examples" = [[{"name": "add-tax", "hook": "order.pre-create"}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    hooks: Option<Vec<HookHandler>>,
    /// The jobs that it offers: work that a schedule, an event, a queue or a person starts.
    #[schemars(extend("examples" = [[{"name": "clean-up"}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    jobs: Option<Vec<Job>>,
    /// The HTTP routes that it offers, answered by `wasi:http/incoming-handler`.
    #[schemars(extend("examples" = [[{"name": "notes", "path": "/notes"}]]), length(min = 1, max = MAX_CONTRIBUTIONS))]
    routes: Option<Vec<Route>>,
    /// Its collections: documents that the host keeps for it, apart for each tenant.
    #[schemars(extend("examples" = [[{"name": "notes", "schema": "schemas/note.json", "indexes": [{"fields": ["/createdAt"]}]}]]), length(min = 1, max = MAX_COLLECTIONS))]
    collections: Option<Vec<Collection>>,
    /// What the extension wants to reach. Nothing is granted that is not listed here and approved at install.
    permissions: Option<Permissions>,
    /// Limits that differ from the defaults.
    limits: Option<LimitsRequest>,
    /// What an administrator can configure.
    config: Option<Config>,
    /// Other extensions that must be installed in the tenant, with the versions that will do.
    #[schemars(extend("examples" = [{"geo": "^1.2"}]))]
    dependencies: Option<BTreeMap<String, String>>,
    /// Where people read more.
    links: Option<Links>,
    /// Present when the extension is an HTTP service that calls are sent to, instead of a component.
    remote: Option<RemoteTable>,
    /// How author tools build the component. Not part of the package.
    build: Option<BuildTable>,
}

/// One program.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Program {
    /// Its name, which the host gives to the guest's `execute`.
    #[schemars(example = &"classify")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Names the cause of a delay.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// JSON Schema 2020-12 of the input: an inline table, a boolean, or the path of a JSON file relative to
    /// the manifest.
    input_schema: Option<SchemaSource>,
    /// JSON Schema 2020-12 of the output: an inline table, a boolean, or the path of a JSON file relative to
    /// the manifest.
    output_schema: Option<SchemaSource>,
}

/// One job.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Job {
    /// Its name, which the host gives to the guest's `run`.
    #[schemars(example = &"clean-up")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Deletes notes that nobody has read for a year.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// JSON Schema 2020-12 of the input: an inline table, a boolean, or the path of a JSON file relative to
    /// the manifest.
    input_schema: Option<SchemaSource>,
    /// JSON Schema 2020-12 of the output: an inline table, a boolean, or the path of a JSON file relative to
    /// the manifest.
    output_schema: Option<SchemaSource>,
    /// How often a run is tried when the job answers `unavailable`, or does not end in time.
    #[schemars(default = "attempts", range(min = 1, max = MAX_ATTEMPTS))]
    attempts: u32,
    /// The pause before the second attempt, up to `1h`. Each further pause is twice as long.
    #[schemars(default = "backoff")]
    backoff: TimeSpan,
}

const fn attempts() -> u32 {
    DEFAULT_ATTEMPTS
}

const fn backoff() -> TimeSpan {
    TimeSpan(std::time::Duration::from_millis(DEFAULT_BACKOFF_MS))
}

/// One validator or sampler.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Judge {
    /// Its name, which the host gives to the guest's `validate` or `sample`.
    #[schemars(example = &"plausible")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Checks that a delay is plausible.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// JSON Schema 2020-12 of what a binding can configure, of type object: an inline table or the path of a JSON file relative
    /// to the manifest.
    config_schema: Option<ConfigSchemaSource>,
}

/// One event handler.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct EventHandler {
    /// Its name, which the host gives to the guest's `handle`.
    #[schemars(example = &"on-order")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Tells the warehouse of new orders.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// The event types that it is written for; `*` stands for any text.
    #[schemars(extend("examples" = [["order.created", "order.*"]]), length(min = 1, max = MAX_TYPES), inner(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9*][A-Za-z0-9._*-]*$")))]
    types: Vec<String>,
    /// JSON Schema 2020-12 of what a binding can configure, of type object: an inline table or the path of a JSON file relative
    /// to the manifest.
    config_schema: Option<ConfigSchemaSource>,
}

/// One hook handler.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HookHandler {
    /// Its name, which the host gives to the guest's `fire`.
    #[schemars(example = &"add-tax")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Adds the tax to an order.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// The hook that it is written for; left out when it fits many.
    #[schemars(example = &"order.pre-create")]
    hook: Option<HookName>,
    /// JSON Schema 2020-12 of the payload that it takes: an inline table, a boolean, or the path of a JSON file relative to the
    /// manifest.
    input_schema: Option<SchemaSource>,
    /// JSON Schema 2020-12 of what it answers: an inline table, a boolean, or the path of a JSON file relative to the manifest.
    output_schema: Option<SchemaSource>,
    /// JSON Schema 2020-12 of what a binding can configure, of type object: an inline table or the path of a JSON file relative
    /// to the manifest.
    config_schema: Option<ConfigSchemaSource>,
}

/// One route.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Route {
    /// Its name, for people and bindings.
    #[schemars(example = &"notes")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"Reads and writes notes.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// The path below the extension's address; what lies below the path is meant too.
    #[schemars(example = &"/notes", length(min = 1, max = MAX_PATH), regex(pattern = "^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$"))]
    path: String,
    /// Who may call it: `key`, whoever has a key of the tenant that may execute; `public`, anybody.
    #[schemars(default)]
    access: RouteAccess,
}

/// One collection.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Collection {
    /// Its name, which the guest gives with each operation.
    #[schemars(example = &"notes")]
    name: ContributionName,
    /// One line for people.
    #[schemars(example = &"What people wrote down.", length(max = MAX_DESCRIPTION))]
    description: Option<String>,
    /// JSON Schema 2020-12 of a document: an inline table, a boolean, or the path of a JSON file relative to the manifest. Each document
    /// is checked when it is written, and all of them when an upgrade changes the schema.
    schema: Option<SchemaSource>,
    /// By what documents can be ordered, and found without looking at all of them.
    #[schemars(extend("examples" = [[{"fields": ["/status", "/createdAt"]}, {"fields": ["/slug"], "unique": true}]]), length(min = 1, max = MAX_INDEXES))]
    indexes: Option<Vec<Index>>,
    /// Who sees and changes which document, in calls on behalf of a user. Without it all of them do.
    access: Option<Access>,
    /// The most documents that it holds, beside the installation's limit `collection_documents`.
    #[schemars(example = &10_000, range(min = 1))]
    max_documents: Option<u32>,
    /// The most bytes of all its documents, beside the installation's limit `collection_bytes`.
    #[schemars(example = &"16MiB")]
    max_bytes: Option<ByteSize>,
}

/// One index.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Index {
    /// One to four fields, of which an earlier one weighs more.
    #[schemars(extend("examples" = [["/createdAt"], ["/status", "/createdAt"]]), length(min = 1, max = MAX_INDEX_FIELDS))]
    fields: Vec<FieldPath>,
    /// Whether no two documents may have the same values (with `access`: no two of one owner). Documents that lack one of the fields are
    /// not compared.
    #[schemars(default)]
    unique: bool,
}

/// Who sees and changes which document, in calls on behalf of a user.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Access {
    /// The field that names a document's owner. The host sets it when a user makes a document.
    owner: FieldPath,
    /// The field that lists those with whom a document is shared. Only its owner changes it.
    #[schemars(example = &"/sharedWith")]
    shared: Option<FieldPath>,
    /// Who sees a document.
    #[schemars(default)]
    read: AccessTo,
    /// Who changes and deletes a document, of those who see it.
    #[schemars(default)]
    write: AccessTo,
    /// What a call on behalf of nobody sees and changes.
    #[schemars(default)]
    without_user: WithoutUser,
}

/// The configuration.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Config {
    /// JSON Schema 2020-12 of the configuration, of type object: an inline table or the path of a JSON file
    /// relative to the manifest. Properties with `writeOnly = true` are secrets.
    schema: ConfigSchemaSource,
}

/// Where people read more.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Links {
    /// The extension's page.
    #[schemars(example = &"https://example.com/flight-delays", regex(pattern = "^https?://"))]
    homepage: Option<String>,
    /// Its source code.
    #[schemars(example = &"https://example.com/flight-delays.git", regex(pattern = "^https?://"))]
    repository: Option<String>,
    /// Its manual.
    #[schemars(example = &"https://example.com/flight-delays/docs", regex(pattern = "^https?://"))]
    documentation: Option<String>,
    /// Where to report problems.
    #[schemars(example = &"https://example.com/flight-delays/issues", regex(pattern = "^https?://"))]
    issues: Option<String>,
}

/// A service that answers in place of a component.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RemoteTable {
    /// The version of the protocol that the service speaks.
    #[schemars(example = &1, range(min = 1, max = 1), default = "protocol")]
    protocol: u32,
    /// Where the service runs. Without it, each administrator says where, at install or later; with it they may say otherwise.
    #[schemars(example = &"https://orders.example.com", length(min = 1, max = 512), regex(pattern = "^https?://"))]
    url: Option<String>,
    /// A command and its arguments that start the service for `oriel test` and `oriel dev`. No shell. It finds where to listen in
    /// `ORIEL_LISTEN` (`127.0.0.1:PORT`) and the secret in `ORIEL_SECRET`. Not part of the package.
    #[schemars(extend("examples" = [["go", "run", "."]]))]
    dev: Option<Vec<String>>,
}

const fn protocol() -> u32 {
    crate::remote::PROTOCOL
}

/// How author tools build the component.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BuildTable {
    /// What the extension is written in; `component` when the component is built by other means.
    #[schemars(example = &"rust")]
    language: Option<super::Language>,
    /// The source file to start from, relative to the manifest.
    #[schemars(example = &"src/app.js")]
    entry: Option<String>,
    /// Where the built component lies, relative to the manifest. Without it `build/NAME.wasm`.
    #[schemars(example = &"build/flight-delays.wasm")]
    component: Option<String>,
    /// The JavaScript engine inside the component; only with `language = "javascript"`.
    #[schemars(default)]
    engine: Option<super::Engine>,
    /// Whether the component may import WASI. Without it the extension is built with no WASI at all.
    #[schemars(default)]
    wasi: bool,
    /// Files and directories that go into the package as assets, relative to the manifest.
    #[schemars(extend("examples" = [["assets"]]))]
    assets: Option<Vec<String>>,
    /// A command and its arguments that build the component instead of the language's own tools. No shell.
    #[schemars(extend("examples" = [["make", "component"]]))]
    command: Option<Vec<String>>,
}

/// A schema in place, or the path of its file.
struct SchemaSource;

impl JsonSchema for SchemaSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SchemaSource".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["object", "string", "boolean"], "examples": ["schemas/input.json", {"type": "object"}] })
    }
}

/// A configuration schema in place, or the path of its file.
struct ConfigSchemaSource;

impl JsonSchema for ConfigSchemaSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ConfigSchemaSource".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["object", "string"], "examples": ["schemas/config.json", {"type": "object"}] })
    }
}

/// The published JSON Schema of `extension.toml`.
#[must_use]
pub fn json_schema() -> Value {
    schema().clone()
}

/// The same, made once.
pub(super) fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(make);
    &SCHEMA
}

fn make() -> Value {
    // Inlined, so that an editor shows descriptions without following references and the parser's walk is plain.
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Project>().to_value();
    without_null(&mut schema);
    schema["properties"]["dependencies"]["additionalProperties"]["examples"] = json!(["^1.2", ">=1, <3"]);
    schema["title"] = json!("Oriel extension manifest");
    // The axes of `[limits]` are optional as types; what holds without them, and the most that can be asked
    // for, are what an author wants to see.
    let (default, ceiling) = (axes(&Limits::default()), axes(&Limits::ceiling()));
    if let Some(properties) = schema.pointer_mut("/properties/limits/properties").and_then(Value::as_object_mut) {
        for (name, axis) in properties {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let described = axis["description"].as_str().unwrap_or_default();
            axis["description"] = json!(format!("{described} At most {}.", text(&ceiling[name])));
            axis["default"] = default[name].clone();
            axis["examples"] = json!([default[name].clone()]);
        }
    }
    schema
}

/// Limits by the names that the manifest uses.
pub(super) fn axes(limits: &Limits) -> Map<String, Value> {
    let Ok(Value::Object(map)) = serde_json::to_value(limits) else {
        return Map::new();
    };
    map.into_iter()
        .map(|(name, value)| {
            let mut snake = String::new();
            for c in name.chars() {
                if c.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            (snake, value)
        })
        .collect()
}

/// TOML has no null: an optional field is a field that may be left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [single] = types.as_slice() {
                    let single = single.clone();
                    map.insert("type".to_owned(), single);
                }
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    map.remove("anyOf");
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
