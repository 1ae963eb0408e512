-- Executions that were looked at. `score` is in millionths; `valid` and `score` are absent where nobody gave a verdict.
CREATE TABLE samples (
    tenant @text NOT NULL,
    execution @text NOT NULL,
    task @text NOT NULL,
    extension @text NOT NULL,
    version @text NOT NULL,
    valid BIGINT,
    score BIGINT,
    judged_at BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, execution)
);
CREATE INDEX samples_by_task ON samples (tenant, task, execution);
CREATE INDEX samples_by_time ON samples (judged_at);
