//! Tenants, principals, API keys, roles and the audit chain.
