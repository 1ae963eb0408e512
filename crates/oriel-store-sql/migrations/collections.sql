CREATE TABLE IF NOT EXISTS {s}.scope (
    one BIGINT PRIMARY KEY,
    installation @text NOT NULL,
    plan @text NOT NULL
);
CREATE TABLE IF NOT EXISTS {s}.collections (
    number BIGINT PRIMARY KEY,
    name @text NOT NULL UNIQUE,
    manifest @text NOT NULL,
    declared BIGINT NOT NULL,
    documents BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS {s}.documents (
    collection BIGINT NOT NULL,
    id @text NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (collection, id)
);
CREATE TABLE IF NOT EXISTS {s}.entries (
    index_number BIGINT NOT NULL,
    key @blob NOT NULL,
    id @text NOT NULL,
    PRIMARY KEY (index_number, key, id)
) @ending;
CREATE TABLE IF NOT EXISTS {s}.unique_keys (
    index_number BIGINT NOT NULL,
    key @blob NOT NULL,
    id @text NOT NULL,
    PRIMARY KEY (index_number, key)
) @ending
