-- Runs of jobs. What a run is found or changed by stands in columns, which win over the body; the rest is JSON. `error` is JSON, too.
CREATE TABLE job_runs (
    tenant @text NOT NULL,
    id @text NOT NULL,
    extension @text NOT NULL,
    job @text NOT NULL,
    -- As JSON: PostgreSQL's text holds no NUL, JSON escapes it.
    key @text,
    state @text NOT NULL,
    work @text NOT NULL,
    error @text,
    ended_at BIGINT,
    revision BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX job_runs_by_extension ON job_runs (tenant, extension, id);
CREATE INDEX job_runs_waiting ON job_runs (tenant, extension, job) WHERE state = 'queued';
CREATE INDEX job_runs_open ON job_runs (tenant, extension) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX job_runs_by_key ON job_runs (tenant, extension, job, key) WHERE key IS NOT NULL AND ended_at IS NULL;
CREATE INDEX job_runs_by_end ON job_runs (ended_at) WHERE ended_at IS NOT NULL;

-- Who takes runs for an extension holds its row, so that no more wait than may.
CREATE TABLE job_queues (
    tenant @text NOT NULL,
    extension @text NOT NULL,
    PRIMARY KEY (tenant, extension)
);

-- What extensions spent on the model, in millionths of the operator's currency, by the day.
CREATE TABLE model_spend (
    tenant @text NOT NULL,
    extension @text NOT NULL,
    day BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (tenant, extension, day)
);
CREATE INDEX model_spend_by_day ON model_spend (day);

ALTER TABLE usage ADD COLUMN model_input_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN model_output_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN model_spend BIGINT NOT NULL DEFAULT 0;
