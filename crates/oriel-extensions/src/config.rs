//! An installation's configuration: valid against the extension's schema, secrets sealed at rest and masked
//! when shown.
//!
//! A secret is a property whose schema says `"writeOnly": true`, at any depth of nested `properties`.

use oriel_access::Sealer;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, Release};
use oriel_model::name::ExtensionName;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_store::StoreError;
use serde_json::{Map, Value};

use crate::ExtensionError;

/// What is shown in place of a secret; sent back unchanged it keeps the secret.
pub const SECRET_MASK: &str = "********";

/// JSON pointers of the secrets that `schema` declares.
pub(crate) fn secrets(schema: Option<&Value>) -> Vec<String> {
    fn walk(schema: &Value, path: &str, found: &mut Vec<String>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        for (name, property) in properties {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            if property.get("writeOnly") == Some(&Value::Bool(true)) {
                found.push(path);
            } else {
                walk(property, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    if let Some(schema) = schema {
        walk(schema, "", &mut found);
    }
    found
}

fn place(tenant: TenantId, name: &ExtensionName, pointer: &str) -> String {
    format!("{tenant}/{name}{pointer}")
}

/// The configuration that the guest sees: secrets opened, absent top-level properties at their schema's default.
///
/// # Errors
/// [`StoreError::Corrupt`] when a secret cannot be opened (another master key).
pub(crate) fn open(sealer: &Sealer, installation: &Installation) -> Result<Value, ExtensionError> {
    let schema = installation.release.manifest.config_schema.as_ref();
    let mut config = installation.config.clone();
    for pointer in secrets(schema) {
        let Some(slot) = config.pointer_mut(&pointer) else { continue };
        let corrupt = || StoreError::Corrupt {
            what: format!(
                "the secret {pointer} of `{}`: it needs the master key it was sealed with",
                installation.name
            ),
        };
        let sealed = slot.as_str().ok_or_else(corrupt)?;
        let opened = sealer
            .open(&place(installation.tenant, &installation.name, &pointer), sealed)
            .map_err(|_| corrupt())?;
        *slot = serde_json::from_slice(&opened).map_err(|_| corrupt())?;
    }
    add_defaults(&mut config, schema);
    Ok(config)
}

fn add_defaults(config: &mut Value, schema: Option<&Value>) {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let (Some(properties), Some(config)) = (properties, config.as_object_mut()) else {
        return;
    };
    for (name, property) in properties {
        if let (false, Some(default)) = (config.contains_key(name), property.get("default")) {
            config.insert(name.clone(), default.clone());
        }
    }
}

/// The configuration as people may see it: set secrets masked.
pub(crate) fn mask(installation: &Installation) -> Value {
    let mut config = installation.config.clone();
    for pointer in secrets(installation.release.manifest.config_schema.as_ref()) {
        if let Some(slot) = config.pointer_mut(&pointer) {
            *slot = Value::String(SECRET_MASK.to_owned());
        }
    }
    config
}

/// `new` with every secret that it leaves masked or out taken from `current` (opened). A secret set to `null` is
/// removed.
pub(crate) fn keep_secrets(new: &mut Value, current: &Value, release: &Release) {
    for pointer in secrets(release.manifest.config_schema.as_ref()) {
        let given = new.pointer(&pointer);
        let keep = match given {
            None => true,
            Some(Value::String(text)) => text == SECRET_MASK,
            Some(_) => false,
        };
        if given == Some(&Value::Null) {
            remove(new, &pointer);
        } else if keep {
            match current.pointer(&pointer) {
                Some(secret) => insert(new, &pointer, secret.clone()),
                None => remove(new, &pointer),
            }
        }
    }
}

/// Checks an opened configuration against the release's schema, defaults counted in.
///
/// # Errors
/// [`ExtensionError::ConfigInvalid`] with each place.
pub(crate) fn validate(config: &Value, release: &Release) -> Result<(), ExtensionError> {
    let problems = match (&release.manifest.config_schema, config) {
        (_, config) if !config.is_object() => {
            vec![SchemaProblem {
                path: String::new(),
                message: "the configuration must be a JSON object".to_owned(),
            }]
        }
        (None, Value::Object(map)) if map.is_empty() => Vec::new(),
        (None, _) => vec![SchemaProblem {
            path: String::new(),
            message: "the extension takes no configuration".to_owned(),
        }],
        (Some(schema), config) => {
            let mut config = config.clone();
            add_defaults(&mut config, Some(schema));
            match Schema::compile(schema) {
                Ok(schema) => schema.validate(&config).err().unwrap_or_default(),
                Err(error) => vec![SchemaProblem {
                    path: String::new(),
                    message: error.to_string(),
                }],
            }
        }
    };
    if problems.is_empty() {
        return Ok(());
    }
    Err(ExtensionError::ConfigInvalid {
        name: release.manifest.name.to_string(),
        problems,
    })
}

/// Seals the secrets of an opened configuration for storage.
pub(crate) fn seal(sealer: &Sealer, tenant: TenantId, release: &Release, mut config: Value) -> Value {
    for pointer in secrets(release.manifest.config_schema.as_ref()) {
        if let Some(slot) = config.pointer_mut(&pointer) {
            let text = slot.to_string();
            *slot = Value::String(sealer.seal(&place(tenant, &release.manifest.name, &pointer), text.as_bytes()));
        }
    }
    config
}

fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    Some((parent, name.replace("~1", "/").replace("~0", "~")))
}

fn remove(config: &mut Value, pointer: &str) {
    if let Some((parent, name)) = split(pointer)
        && let Some(Value::Object(map)) = config.pointer_mut(parent)
    {
        map.shift_remove(&name);
    }
}

/// Puts a value at a pointer, making the objects on the way; gives up where something else stands in the way.
fn insert(config: &mut Value, pointer: &str, value: Value) {
    let Some((parent, name)) = split(pointer) else { return };
    if config.pointer(parent).is_none() {
        insert(config, parent, Value::Object(Map::new()));
    }
    if let Some(Value::Object(map)) = config.pointer_mut(parent) {
        map.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn installation(config: Value) -> Installation {
        let manifest = serde_json::from_value(json!({
            "name": "slack", "version": "1.0.0", "description": "d", "publisher": "acme", "license": "MIT", "hostApi": "^0.1",
            "configSchema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["token"],
                "properties": {
                    "token": { "type": "string", "minLength": 3, "writeOnly": true },
                    "channel": { "type": "string", "default": "#general" },
                    "proxy": { "type": "object", "properties": { "password": { "type": "string", "writeOnly": true } } }
                }
            }
        }))
        .unwrap();
        let digest = oriel_model::Digest::of(b"");
        let now = oriel_model::Timestamp::from_millis(0);
        Installation {
            id: oriel_model::id::InstallationId::new(now),
            tenant: TenantId::new(now),
            name: "slack".parse().unwrap(),
            state: oriel_model::installation::InstallationState::Enabled,
            release: Release {
                manifest,
                package: digest,
                component: Some(digest),
                size: 0,
            },
            grant: Default::default(),
            previous: None,
            canary: None,
            last_canary: None,
            secrets: Default::default(),
            pending: None,
            config,
            limits: Default::default(),
            budgets: Default::default(),
            health_policy: Default::default(),
            remote: None,
            quarantine: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        }
    }

    #[test]
    fn secrets_are_sealed_at_rest_masked_when_shown_and_opened_for_the_guest() {
        let sealer = Sealer::new(&[1; 32]);
        let mut it = installation(json!({}));
        it.config = seal(
            &sealer,
            it.tenant,
            &it.release,
            json!({"token": "xoxb", "proxy": {"password": "pw"}}),
        );
        assert!(!it.config.to_string().contains("xoxb") && !it.config.to_string().contains("pw\""));
        assert_eq!(mask(&it), json!({"token": SECRET_MASK, "proxy": {"password": SECRET_MASK}}));
        assert_eq!(
            open(&sealer, &it).unwrap(),
            json!({"token": "xoxb", "proxy": {"password": "pw"}, "channel": "#general"})
        );
        assert!(open(&Sealer::new(&[2; 32]), &it).is_err());
    }

    #[test]
    fn a_secret_left_out_or_masked_is_kept_and_null_removes_it() {
        let it = installation(json!({}));
        let current = json!({"token": "xoxb", "proxy": {"password": "pw"}});
        for (given, wanted) in [
            (
                json!({"channel": "#a"}),
                json!({"channel": "#a", "token": "xoxb", "proxy": {"password": "pw"}}),
            ),
            (
                json!({"token": SECRET_MASK, "proxy": {}}),
                json!({"token": "xoxb", "proxy": {"password": "pw"}}),
            ),
            (
                json!({"token": "new", "proxy": {"password": null}}),
                json!({"token": "new", "proxy": {}}),
            ),
        ] {
            let mut new = given.clone();
            keep_secrets(&mut new, &current, &it.release);
            assert_eq!(new, wanted, "{given}");
        }
    }

    #[test]
    fn problems_name_their_place_and_not_the_secret() {
        let it = installation(json!({}));
        assert!(validate(&json!({"token": "xoxb"}), &it.release).is_ok());
        let error = validate(&json!({"token": "ab"}), &it.release).unwrap_err();
        let ExtensionError::ConfigInvalid { problems, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(problems[0].path, "/token");
        assert!(!error.to_string().contains("ab\""), "{error}");
        for bad in [json!({}), json!([]), json!({"token": "xoxb", "unknown": 1})] {
            assert!(validate(&bad, &it.release).is_err(), "{bad}");
        }
    }
}
