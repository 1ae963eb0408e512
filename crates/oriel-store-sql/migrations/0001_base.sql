-- What both engines share. @text, @blob and @serial stand for the engine's types; text compares by its bytes.

CREATE TABLE tenants (
    id @text PRIMARY KEY,
    name @text NOT NULL UNIQUE,
    body @text NOT NULL
);

CREATE TABLE api_keys (
    id @text PRIMARY KEY,
    tenant @text NOT NULL,
    secret_hash @blob NOT NULL,
    revoked_at BIGINT,
    body @text NOT NULL
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);

-- The end of each tenant's chain; who appends locks its row first.
CREATE TABLE audit_heads (
    tenant @text PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash @blob NOT NULL
);
CREATE TABLE audit (
    tenant @text NOT NULL,
    sequence BIGINT NOT NULL,
    entry @text NOT NULL,
    PRIMARY KEY (tenant, sequence)
);

CREATE TABLE installations (
    tenant @text NOT NULL,
    name @text NOT NULL,
    revision BIGINT NOT NULL,
    package @text NOT NULL,
    previous_package @text,
    pending_package @text,
    body @text NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE INDEX installations_by_package ON installations (package);
CREATE INDEX installations_by_previous_package ON installations (previous_package) WHERE previous_package IS NOT NULL;
CREATE INDEX installations_by_pending_package ON installations (pending_package) WHERE pending_package IS NOT NULL;

CREATE TABLE releases (
    tenant @text NOT NULL,
    name @text NOT NULL,
    version @text NOT NULL,
    package @text NOT NULL,
    PRIMARY KEY (tenant, name, version)
);

CREATE TABLE tasks (
    tenant @text NOT NULL,
    id @text NOT NULL,
    name @text NOT NULL,
    revision BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name)
);

CREATE TABLE segments (
    id @serial,
    tenant @text NOT NULL,
    first_id @text NOT NULL,
    last_id @text NOT NULL,
    task @text,
    extension @text NOT NULL,
    batch @text,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    records BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    body @blob NOT NULL,
    UNIQUE (tenant, last_id, first_id)
);
CREATE INDEX segments_by_task ON segments (tenant, task, last_id) WHERE task IS NOT NULL;
CREATE INDEX segments_by_extension ON segments (tenant, extension, last_id);
CREATE INDEX segments_by_batch ON segments (tenant, batch, last_id) WHERE batch IS NOT NULL;
CREATE INDEX segments_by_end ON segments (to_at);

CREATE TABLE batches (
    tenant @text NOT NULL,
    id @text NOT NULL,
    task @text NOT NULL,
    state @text NOT NULL,
    total BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    node @text NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX batches_running ON batches (node) WHERE state = 'running';
CREATE INDEX batches_by_start ON batches (started_at);

CREATE TABLE log_lines (
    sequence @serial,
    tenant @text NOT NULL,
    at BIGINT NOT NULL,
    extension @text NOT NULL,
    execution @text,
    level BIGINT NOT NULL,
    body @text NOT NULL
);
CREATE INDEX log_lines_by_tenant ON log_lines (tenant, sequence);
CREATE INDEX log_lines_by_extension ON log_lines (tenant, extension, sequence);
CREATE INDEX log_lines_by_time ON log_lines (at);

CREATE TABLE idempotency (
    tenant @text NOT NULL,
    key @blob NOT NULL,
    fingerprint @blob NOT NULL,
    begun_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    status BIGINT,
    content_type @text,
    body @blob,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- What a scope holds, and the lock of its writers.
CREATE TABLE kv_scopes (
    id @serial,
    tenant @text NOT NULL,
    extension @text NOT NULL,
    keys BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    UNIQUE (tenant, extension)
);
-- `number` repeats the value where it is a decimal integer, so that adding needs no parsing in SQL.
CREATE TABLE kv_entries (
    scope BIGINT NOT NULL REFERENCES kv_scopes (id),
    key @blob NOT NULL,
    version BIGINT NOT NULL,
    expires_at BIGINT,
    number BIGINT,
    value @blob NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX kv_entries_by_expiry ON kv_entries (expires_at) WHERE expires_at IS NOT NULL;
