//! The registry of capabilities: every contribution of a tenant's installations, with its schemas and where it is bound.
//! Nothing is kept for it: it is read from the installations and bindings themselves, so a change is seen at once.

use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::binding::Binding;
use oriel_model::contribution::{Contribution, ContributionKind};
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::cursor;

use crate::{ExtensionError, Extensions};

const LIST: &str = "contributions";

/// Which contributions are wanted; absent fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContributionFilter {
    /// Of this kind.
    pub kind: Option<ContributionKind>,
    /// Of this extension.
    pub extension: Option<ExtensionName>,
    /// Whose extension, name, description or tags hold each of these words, whatever their case.
    pub words: Vec<String>,
}

/// One contribution of an installation.
#[derive(Debug, Clone, PartialEq)]
pub struct ContributionStatus {
    /// The extension.
    pub extension: ExtensionName,
    /// The version that runs.
    pub version: semver::Version,
    /// Whether the installation answers.
    pub state: InstallationState,
    /// What the manifest says of it.
    pub contribution: Contribution,
    /// Where it is bound, in the order of bindings.
    pub bindings: Vec<Binding>,
}

impl ContributionFilter {
    /// A filter for `text`, whose words all must be found.
    #[must_use]
    pub fn search(mut self, text: &str) -> Self {
        self.words = text.split_whitespace().map(str::to_lowercase).collect();
        self
    }

    fn matches(&self, installation: &Installation, contribution: &Contribution) -> bool {
        if self.kind.is_some_and(|kind| contribution.kind != kind) {
            return false;
        }
        if self.words.is_empty() {
            return true;
        }
        let manifest = &installation.release.manifest;
        let mut text = format!(
            "{}\n{}\n{}\n{}\n{}",
            installation.name,
            contribution.name,
            contribution.kind,
            contribution.description,
            manifest.tags.join("\n")
        );
        text.push('\n');
        text.push_str(&contribution.types.join("\n"));
        text.extend(contribution.hook.iter().flat_map(|hook| ["\n", hook.as_str()]));
        text.extend(contribution.path.iter().flat_map(|path| ["\n", path.as_str()]));
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word))
    }
}

/// Where a contribution stands in the list.
fn place(extension: &str, contribution: &Contribution) -> String {
    format!("{extension}/{}/{}", contribution.kind, contribution.name)
}

impl Extensions {
    /// Contributions by extension, kind and name.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn contributions(
        &self,
        principal: &Principal,
        filter: &ContributionFilter,
        page: &PageRequest,
    ) -> Result<Page<ContributionStatus>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let after = cursor::decode(LIST, page)?;
        let limit = cursor::limit(page);
        let mut found: Vec<ContributionStatus> = Vec::new();
        for installation in self.installations_of(principal.tenant, filter.extension.as_ref()).await? {
            let mut contributions: Vec<Contribution> = installation.release.manifest.contributions();
            contributions.retain(|contribution| {
                let place = place(installation.name.as_str(), contribution);
                after.as_deref().is_none_or(|after| place.as_str() > after) && filter.matches(&installation, contribution)
            });
            found.extend(contributions.into_iter().map(|contribution| status(&installation, contribution)));
        }
        found.sort_by_cached_key(|one| place(one.extension.as_str(), &one.contribution));
        found.truncate(limit + 1);
        self.add_bindings(principal.tenant, &mut found).await?;
        Ok(cursor::page(LIST, page, found, |one| {
            place(one.extension.as_str(), &one.contribution)
        }))
    }

    /// One contribution.
    ///
    /// # Errors
    /// When the principal may not, the extension is not installed, or it has no such contribution.
    pub async fn contribution(
        &self,
        principal: &Principal,
        extension: &str,
        kind: ContributionKind,
        name: &str,
    ) -> Result<ContributionStatus, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let installation = self.find(principal.tenant, extension).await?;
        let contributions = installation.release.manifest.contributions();
        let of_kind = contributions.into_iter().filter(|contribution| contribution.kind == kind);
        let (mut found, others): (Vec<_>, Vec<_>) = of_kind.partition(|contribution| contribution.name.as_str() == name);
        let contribution = found.pop().ok_or_else(|| ExtensionError::ContributionNotFound {
            extension: installation.name.to_string(),
            kind,
            name: name.chars().take(64).collect(),
            there: others.iter().map(|other| other.name.to_string()).collect(),
        })?;
        let mut one = [status(&installation, contribution)];
        self.add_bindings(principal.tenant, &mut one).await?;
        let [one] = one;
        Ok(one)
    }

    async fn installations_of(&self, tenant: TenantId, only: Option<&ExtensionName>) -> Result<Vec<Installation>, ExtensionError> {
        let store = &self.shared.stores.installations;
        if let Some(name) = only {
            return Ok(store.get(tenant, name.as_str()).await?.into_iter().collect());
        }
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let request = PageRequest {
                limit: PageRequest::MAX_LIMIT,
                cursor: next,
            };
            let page = store.list(tenant, request).await?;
            all.extend(page.items);
            next = page.next_cursor;
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    async fn add_bindings(&self, tenant: TenantId, found: &mut [ContributionStatus]) -> Result<(), ExtensionError> {
        if found.is_empty() {
            return Ok(());
        }
        let mut bindings = self.shared.stores.bindings.all(tenant).await?.items;
        bindings.sort_by(Binding::order);
        for one in found {
            let of = |binding: &&Binding| {
                binding.kind.contribution() == one.contribution.kind
                    && binding.contribution.extension == one.extension
                    && binding.contribution.name == one.contribution.name
            };
            one.bindings = bindings.iter().filter(of).cloned().collect();
        }
        Ok(())
    }
}

fn status(installation: &Installation, contribution: Contribution) -> ContributionStatus {
    ContributionStatus {
        extension: installation.name.clone(),
        version: installation.release.manifest.version.clone(),
        state: installation.state,
        contribution,
        bindings: Vec::new(),
    }
}
