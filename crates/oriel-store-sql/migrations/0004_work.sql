-- Durable units of work, and what contributions took by the hour.

-- A unit waits (`lease` and `dead_at` are null), is held (`lease` is set) or is dead (`dead_at` is set). `ready_at` is when it
-- is due or, while it is held, when the lease ends: so what may be claimed is what is not dead and ready.
CREATE TABLE work (
    place @serial,
    tenant @text NOT NULL,
    id @text NOT NULL,
    kind @text NOT NULL,
    -- As JSON, and so is `error`: PostgreSQL's text holds no NUL, JSON escapes it.
    key @text,
    payload @blob NOT NULL,
    due_at BIGINT NOT NULL,
    ready_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    error @text,
    created_at BIGINT NOT NULL,
    dead_at BIGINT,
    lease @text,
    UNIQUE (tenant, id)
);
CREATE UNIQUE INDEX work_by_key ON work (tenant, kind, key) WHERE key IS NOT NULL AND dead_at IS NULL;
CREATE INDEX work_by_ready ON work (kind, tenant, ready_at, place) WHERE dead_at IS NULL;
CREATE INDEX work_by_lease ON work (kind, tenant, ready_at) WHERE lease IS NOT NULL;
CREATE INDEX work_dead ON work (tenant, id) WHERE dead_at IS NOT NULL;
CREATE INDEX work_by_death ON work (dead_at) WHERE dead_at IS NOT NULL;

-- Who was served when, counted in claims, so that tenants take turns.
CREATE TABLE work_turns (
    kind @text NOT NULL,
    tenant @text NOT NULL,
    turn BIGINT NOT NULL,
    PRIMARY KEY (kind, tenant)
);
CREATE INDEX work_turns_by_turn ON work_turns (turn);

CREATE TABLE usage (
    tenant @text NOT NULL,
    hour BIGINT NOT NULL,
    extension @text NOT NULL,
    kind @text NOT NULL,
    contribution @text NOT NULL,
    calls BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    cpu_us BIGINT NOT NULL,
    host_calls BIGINT NOT NULL,
    outbound_bytes BIGINT NOT NULL,
    PRIMARY KEY (tenant, hour, extension, kind, contribution)
);
CREATE INDEX usage_by_hour ON usage (hour);
