-- What is usual of installations, the hosts that they contact, and what was unusual.

CREATE TABLE baselines (
    tenant @text NOT NULL,
    extension @text NOT NULL,
    node @text NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, extension, node)
);

CREATE TABLE known_hosts (
    tenant @text NOT NULL,
    extension @text NOT NULL,
    host @text NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (tenant, extension, host)
);

-- `series` is what makes two anomalies the same (metric, contribution, host).
CREATE TABLE anomalies (
    tenant @text NOT NULL,
    id @text NOT NULL,
    extension @text NOT NULL,
    installation @text NOT NULL,
    series @text NOT NULL,
    state @text NOT NULL,
    seen_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX anomalies_by_series ON anomalies (tenant, installation, series, id);
CREATE INDEX anomalies_by_extension ON anomalies (tenant, extension, id);
CREATE INDEX anomalies_by_time ON anomalies (seen_at);
