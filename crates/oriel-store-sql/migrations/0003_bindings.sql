-- What is bound to which point, and the hooks that hosts declare.

CREATE TABLE bindings (
    tenant @text NOT NULL,
    id @text NOT NULL,
    kind @text NOT NULL,
    point @blob NOT NULL,
    extension @text NOT NULL,
    origin @text NOT NULL,
    revision BIGINT NOT NULL,
    -- The digest of what makes two bindings the same.
    twin @blob NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, twin)
);
CREATE INDEX bindings_by_extension ON bindings (tenant, extension);
CREATE INDEX bindings_of_files ON bindings (tenant) WHERE origin = 'file';

CREATE TABLE hooks (
    tenant @text NOT NULL,
    name @text NOT NULL,
    revision BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- How often a tenant's bindings and its hooks have changed: what other nodes ask to learn whether they must read again.
CREATE TABLE list_versions (
    tenant @text NOT NULL,
    list @text NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant, list)
);
