//! The port of bindings.

use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::binding::{Binding, BindingKind, Origin};
use oriel_model::id::{BindingId, TenantId};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use serde_json::Value;

use crate::{NewAudit, Result};

/// Which bindings are wanted; absent fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindingFilter {
    /// Of this kind.
    pub kind: Option<BindingKind>,
    /// To exactly this point.
    pub point: Option<String>,
    /// Of contributions of this extension.
    pub extension: Option<ExtensionName>,
}

impl BindingFilter {
    /// Whether the binding is wanted.
    #[must_use]
    pub fn matches(&self, binding: &Binding) -> bool {
        self.kind.is_none_or(|kind| binding.kind == kind)
            && self.point.as_ref().is_none_or(|point| binding.point == *point)
            && self
                .extension
                .as_ref()
                .is_none_or(|extension| binding.contribution.extension == *extension)
    }
}

/// All that a tenant has, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// Grows with each change of any of them; 0 when there never was one.
    pub version: u64,
    /// The items, in the order of their list.
    pub items: Vec<T>,
}

/// One of several changes that happen together.
#[derive(Debug, Clone, PartialEq)]
pub enum BindingChange {
    /// The binding is as given, there or not before.
    Put(Binding),
    /// There is no binding with this id.
    Remove(BindingId),
}

/// What makes two bindings of one tenant the same: kind, point, contribution and configuration.
#[must_use]
pub fn twin(binding: &Binding) -> Digest {
    let config = sorted(Value::Object(binding.terms.config.clone()));
    let text = serde_json::json!([binding.kind.as_str(), binding.point, binding.contribution.to_string(), config]);
    Digest::of(text.to_string().as_bytes())
}

/// The same value with the fields of each object in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: std::collections::BTreeMap<String, Value> = fields.into_iter().collect();
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        other => other,
    }
}

/// Whether the binding goes when its extension is uninstalled. What the operator's file declares stays, without effect.
#[must_use]
pub const fn goes_with_its_extension(binding: &Binding) -> bool {
    !matches!(binding.origin, Origin::File)
}

/// Bindings by id. No two of a tenant are the same (see [`twin`]). Those of an extension go with its installation
/// ([`crate::Installations::delete`]), except for those that the operator's file declares.
#[async_trait]
pub trait Bindings: Send + Sync {
    /// Adds a binding at its revision.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the tenant has one with this id or the same one.
    async fn insert(&self, tenant: TenantId, binding: Binding, audit: NewAudit) -> Result<()>;

    /// The tenant's binding with this id.
    async fn get(&self, tenant: TenantId, id: BindingId) -> Result<Option<Binding>>;

    /// By id, ascending.
    async fn list(&self, tenant: TenantId, filter: &BindingFilter, page: PageRequest) -> Result<Page<Binding>>;

    /// All of the tenant's bindings by id, and the version as of which this is so.
    async fn all(&self, tenant: TenantId) -> Result<Versioned<Binding>>;

    /// The tenants that have bindings from the operator's file.
    async fn declared_in_files(&self) -> Result<Vec<TenantId>>;

    /// The present version: another than the one known means that something changed.
    async fn version(&self, tenant: TenantId) -> Result<u64>;

    /// Replaces the binding (same id) if its stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not or the binding is gone, [`crate::StoreError::Exists`] when the tenant
    /// has the same one.
    async fn update(&self, tenant: TenantId, binding: Binding, expected: u64, audit: NewAudit) -> Result<()>;

    /// Removes the binding if its stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not or the binding is gone.
    async fn delete(&self, tenant: TenantId, id: BindingId, expected: u64, audit: NewAudit) -> Result<()>;

    /// Makes several changes in this order, all or none, if the version is still `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not, [`crate::StoreError::Exists`] when two bindings would be the same.
    async fn apply(&self, tenant: TenantId, changes: Vec<BindingChange>, expected: u64, audit: NewAudit) -> Result<()>;
}
