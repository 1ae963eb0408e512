-- Policies, members, sessions and quotas. @text, @blob and @serial as in 0001.

CREATE TABLE policies (
    tenant @text NOT NULL,
    id @text NOT NULL,
    revision BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- `place` orders the list: users before service accounts, then by id. `owner` is 1 for people who own the tenant and have
-- signed in.
CREATE TABLE members (
    tenant @text NOT NULL,
    id @text NOT NULL UNIQUE,
    kind @text NOT NULL,
    name @text NOT NULL,
    issuer @text,
    subject @text,
    owner BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    place @text NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, place),
    UNIQUE (tenant, kind, name),
    UNIQUE (tenant, issuer, subject)
);

CREATE TABLE sessions (
    id @text PRIMARY KEY,
    tenant @text NOT NULL,
    member @text NOT NULL,
    secret_hash @blob NOT NULL,
    expires_at BIGINT NOT NULL,
    body @text NOT NULL
);
CREATE INDEX sessions_by_tenant ON sessions (tenant, id);
CREATE INDEX sessions_by_member ON sessions (tenant, member, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE quotas (
    tenant @text PRIMARY KEY,
    revision BIGINT NOT NULL,
    body @text NOT NULL
);
