-- A release that is tried out beside the running one, and what each node has seen of it.

ALTER TABLE installations ADD COLUMN canary_package @text;
CREATE INDEX installations_by_canary_package ON installations (canary_package) WHERE canary_package IS NOT NULL;

CREATE TABLE canary_tallies (
    tenant @text NOT NULL,
    extension @text NOT NULL,
    canary @text NOT NULL,
    node @text NOT NULL,
    body @text NOT NULL,
    PRIMARY KEY (tenant, extension, canary, node)
);
