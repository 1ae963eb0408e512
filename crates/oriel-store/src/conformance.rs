//! The suite that every adapter passes: what the ports' documentation promises, as checks.
//!
//! An adapter's tests call [`crate::conformance!`], which makes one test of each check. Checks share nothing: each
//! makes its own tenants, so they may also run against one database at once.
#![expect(clippy::unwrap_used, reason = "a check fails by panicking, as tests do")]
#![expect(clippy::missing_panics_doc, reason = "every check panics when the adapter breaks its promise")]

pub mod access;
pub mod anomalies;
pub mod audit;
pub mod batches;
pub mod bindings;
pub mod blobs;
pub mod canaries;
pub mod collections;
pub mod executions;
pub mod fixtures;
pub mod governance;
pub mod idempotency;
pub mod installations;
pub mod jobs;
pub mod key_value;
pub mod logs;
pub mod samples;
pub mod tasks;
pub mod usage;
pub mod work;

/// Makes one `#[tokio::test]` of each check. `$make` is an async function that answers `(guard, Stores)`; the guard is
/// dropped when the check is over.
///
/// ```ignore
/// mod memory {
///     async fn make() -> ((), oriel_store::Stores) {
///         ((), oriel_store::memory::stores())
///     }
///     oriel_store::conformance!(make);
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::conformance_tests! { $make;
            access: [
                tenants_by_id_and_name, tenant_names_are_unique, tenants_page_by_name,
                keys_belong_to_a_tenant, keys_page_newest_first, revoking_happens_once, the_last_owner_stays,
                two_owners_cannot_revoke_each_other
            ]
            governance: [
                policies_live, a_stale_policy_is_refused, members_live, the_last_owner_may_be_a_person, members_take_what_is_theirs,
                sessions_live, quotas_live, use_is_counted
            ]
            audit: [
                a_chain_verifies, concurrent_appends_are_consecutive, chains_are_apart, details_survive, the_log_pages_newest_first,
                cursors_of_other_lists_are_refused
            ]
            installations: [
                an_installation_lives, names_are_unique_in_a_tenant, others_see_nothing, a_stale_revision_is_refused,
                one_of_many_writers_wins, deleting_takes_what_it_kept, installations_page_by_name,
                a_version_means_one_package, a_package_in_use_is_known
            ]
            tasks: [
                a_task_lives, task_names_are_unique_in_a_tenant, others_see_no_task, a_stale_task_is_refused, tasks_page_by_name
            ]
            blobs: [blobs_live]
            key_value: [
                entries_live, scopes_are_apart, versions_grow, swapping_compares, one_of_many_swaps_wins, adding_counts,
                adding_needs_an_integer, fifty_adders_lose_nothing, time_runs_out_at_its_moment, a_clock_may_jump,
                expired_entries_make_room, the_key_quota_is_exact, the_byte_quota_is_exact, adding_counts_its_bytes,
                concurrent_writers_keep_the_quota, prefixes_are_literal, listing_pages, large_values_and_long_keys, purging_is_bounded
            ]
            collections: [
                documents_live, document_scopes_are_apart, documents_are_found, documents_page, document_transactions_are_whole,
                one_of_many_replacements_wins, unique_indexes_hold, document_quotas_are_exact, users_see_their_own, plans_change_whole,
                queries_are_bounded_by_what_they_return
            ]
            executions: [
                segments_live, appending_again_changes_nothing, finding_filters, finding_pages, others_find_nothing,
                replacing_is_one_step, one_of_two_replacements_wins, segments_prune_oldest_first, fragments_are_counted,
                a_large_append
            ]
            batches: [a_batch_lives, others_see_no_batch, a_crash_interrupts_its_own, batches_prune]
            logs: [lines_keep_their_order, lines_filter, lines_follow, others_read_nothing, lines_prune, many_lines_at_once, any_text_is_kept]
            idempotency: [
                a_reply_is_repeated, another_request_is_told, one_of_many_begins, abandoning_frees, claims_go_stale, renewed_claims_stay,
                replies_expire, others_have_their_own, expired_claims_purge
            ]
            bindings: [
                a_binding_lives, the_same_binding_is_there_once, a_stale_binding_is_refused, bindings_change_together,
                bindings_page_and_filter, others_see_no_binding, uninstalling_takes_bindings, a_hook_lives, hooks_page_by_name,
                one_of_many_declares
            ]
            anomalies: [
                baselines_live, one_of_many_meets_a_host, a_baseline_belongs_to_its_installation, anomalies_live,
                anomalies_page_filter_and_purge
            ]
            canaries: [tallies_live, a_canary_belongs_to_its_installation]
            samples: [a_sample_lives, samples_page_and_filter, samples_sum_up, samples_purge]
            work: [
                a_unit_lives, enqueuing_again_changes_nothing, keys_are_unique_while_unfinished, units_wait_for_their_moment,
                leases_run_out, what_kills_its_workers_is_buried, retries_end, the_dead_are_kept, tenants_take_turns,
                a_tenant_holds_only_so_many, no_unit_is_leased_twice, completing_is_all_or_nothing, others_end_nothing,
                units_are_counted, the_dead_purge
            ]
            jobs: [
                a_run_lives, a_run_and_its_unit_are_one, a_key_means_one_open_run, the_queue_quota_is_exact, a_stale_run_is_refused,
                runs_page_and_filter, others_see_no_run, uninstalling_cancels_runs, runs_purge, spending_stays_below_its_caps,
                what_is_set_aside_is_settled
            ]
            usage: [
                usage_adds_up, usage_is_ordered_and_cut, usage_adds_up_among_writers, usage_stops_at_the_largest_number,
                others_see_no_usage, usage_purges
            ]
        }
    };
}

/// Makes the tests of [`conformance!`].
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($make:path; $($module:ident: [$($check:ident),* $(,)?])*) => {
        $($($crate::conformance_tests! { @one $make, $module, $check })*)*
    };
    (@one $make:path, $module:ident, $check:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            let (_guard, stores) = $make().await;
            $crate::conformance::$module::$check(&stores).await;
        }
    };
}
