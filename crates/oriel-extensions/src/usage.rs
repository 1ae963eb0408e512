//! What calls take, by the hour: gathered in memory as calls end, written every few seconds, added up for the bill.

use std::collections::BTreeMap;
use std::sync::Arc;

use oriel_access::Access;
use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope};
use oriel_model::contribution::ContributionKind;
use oriel_model::money::Money;
use oriel_model::name::{ContributionName, ExtensionName};
use oriel_store::{UsageDelta, Used};

use crate::health::Health;
use crate::{ExtensionError, Extensions};

/// What things cost. Costs are shown in whatever currency these are in.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    /// A second of guest CPU time.
    pub cpu_second: f64,
    /// A million calls.
    pub million_calls: f64,
    /// A GiB of bodies sent and got over HTTP.
    pub outbound_gib: f64,
}

impl Prices {
    /// Whether anything costs anything.
    #[must_use]
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }

    /// What this costs.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a bill to a hundredth, not to the last bit")]
    pub fn cost(&self, used: &Used) -> f64 {
        let seconds = used.cpu_us as f64 / 1e6;
        let millions = used.calls as f64 / 1e6;
        let gib = used.outbound_bytes as f64 / f64::from(1 << 30);
        let model = Money(used.model_spend).units();
        seconds * self.cpu_second + millions * self.million_calls + gib * self.outbound_gib + model
    }
}

/// By what usage is told apart. What is not named is added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageGroups {
    /// By extension.
    pub extension: bool,
    /// By contribution, and so by extension.
    pub contribution: bool,
    /// By hour.
    pub hour: bool,
    /// By day, in UTC.
    pub day: bool,
}

/// What one group took.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// When: the beginning of the hour or day.
    pub at: Option<Timestamp>,
    /// Which extension.
    pub extension: Option<ExtensionName>,
    /// Which contribution.
    pub contribution: Option<(ContributionKind, ContributionName)>,
    /// How much.
    pub used: Used,
}

impl Extensions {
    /// What the tenant's extensions took in the hours that begin from `from` on and before `to`. What this node has not written
    /// yet is written first; what other nodes have not written is missing, which is a few seconds' worth.
    ///
    /// # Errors
    /// When the principal may not, or storage fails.
    pub async fn usage(
        &self,
        principal: &Principal,
        from: Timestamp,
        to: Timestamp,
        groups: UsageGroups,
    ) -> Result<Vec<UsageRow>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        self.write_usage().await;
        let rows = self.shared.stores.usage.query(principal.tenant, from, to).await?;
        let mut grouped: BTreeMap<_, Used> = BTreeMap::new();
        for row in rows {
            let at = match groups {
                UsageGroups { hour: true, .. } => Some(row.hour),
                UsageGroups { day: true, .. } => Some(day_of(row.hour)),
                _ => None,
            };
            let extension = (groups.extension || groups.contribution).then_some(row.extension);
            let contribution = groups.contribution.then_some((row.kind, row.contribution));
            let sum = grouped.entry((at, extension, contribution)).or_default();
            *sum = sum.plus(row.used);
        }
        let rows = grouped.into_iter();
        let rows = rows.map(|((at, extension, contribution), used)| UsageRow {
            at,
            extension,
            contribution,
            used,
        });
        Ok(rows.collect())
    }

    /// Writes what calls took since the last time. What cannot be written waits for the next time.
    pub(crate) async fn write_usage(&self) {
        let mut waiting = self.shared.unwritten.lock().await;
        let hour = UsageDelta::hour_of(self.shared.clock.now());
        for (tenant, extension, health) in self.billed() {
            let bills = health.take_bills();
            if !bills.is_empty() {
                let watch = self.shared.baselines.of(tenant, &extension);
                for (kind, name, sums) in &bills {
                    watch.count(*kind, name, *sums);
                }
            }
            waiting.extend(bills.into_iter().filter_map(|(kind, name, sums)| {
                Some(UsageDelta {
                    tenant,
                    extension: extension.clone(),
                    kind,
                    contribution: name.parse().ok()?,
                    hour,
                    used: sums.used,
                })
            }));
        }
        if waiting.is_empty() {
            return;
        }
        // One delta for each row, so that a store that is away for hours does not fill the memory.
        let merged = UsageDelta::merged(std::mem::take(&mut *waiting));
        if let Err(error) = self.shared.stores.usage.add(merged.clone()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what extensions took could not be written; it is tried again"
            );
            *waiting = merged;
        }
    }

    /// Everybody who may have something to bill.
    fn billed(&self) -> Vec<(oriel_model::id::TenantId, ExtensionName, Arc<Health>)> {
        let mut all: Vec<_> = {
            let slots = self.shared.slots.read();
            let slots = slots
                .iter()
                .flat_map(|(tenant, slots)| slots.iter().map(move |slot| (tenant, slot)));
            slots
                .filter_map(|(tenant, (name, slot))| Some((*tenant, name.clone(), slot.health()?)))
                .collect()
        };
        let mut retired = self.shared.retired.lock();
        all.extend(retired.iter().map(|health| {
            let (tenant, name) = health.whose();
            (tenant, name.clone(), health.clone())
        }));
        // The two that are left are the list's and the one just made: nobody calls it any more, so this is its last bill.
        retired.retain(|health| Arc::strong_count(health) > 2);
        all
    }
}

const fn day_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis() - at.millis().rem_euclid(86_400_000))
}
