-- Writers of one scope take turns at its row; one round trip does it all. Each statement inside sees what was
-- committed before it, so nothing read after the lock is stale.

-- `expected`: -1 whatever is there, 0 only if absent, else the version. With `adding`, `amount` is added to the
-- integer there and `new_value` is ignored. `outcome` is `done`, `mismatch`, `form`, `keys` or `bytes`.
CREATE FUNCTION oriel_kv_write(
    scope_tenant text, scope_extension text, entry_key bytea, new_value bytea, amount bigint, adding boolean,
    expiry bigint, expected bigint, max_keys bigint, max_bytes bigint, moment bigint,
    OUT outcome text, OUT new_version bigint, OUT new_number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    held kv_scopes%ROWTYPE;
    stored kv_entries%ROWTYPE;
    there boolean;
    live boolean;
    grown bigint;
BEGIN
    LOOP
        SELECT * INTO held FROM kv_scopes WHERE tenant = scope_tenant AND extension = scope_extension FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO kv_scopes (tenant, extension, keys, bytes) VALUES (scope_tenant, scope_extension, 0, 0)
            ON CONFLICT (tenant, extension) DO NOTHING;
    END LOOP;

    SELECT * INTO stored FROM kv_entries WHERE scope = held.id AND key = entry_key;
    there := FOUND;
    live := there AND (stored.expires_at IS NULL OR stored.expires_at > moment);

    IF expected >= 0 AND expected <> (CASE WHEN live THEN stored.version ELSE 0 END) THEN
        outcome := 'mismatch';
        RETURN;
    END IF;

    new_number := amount;
    IF adding THEN
        IF live THEN
            IF stored.number IS NULL
                OR stored.number::numeric + amount::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
                outcome := 'form';
                -- Tells a value that is no integer from a sum that does not fit.
                new_number := stored.number;
                RETURN;
            END IF;
            new_number := stored.number + amount;
            expiry := stored.expires_at;
        END IF;
        new_value := convert_to(new_number::text, 'UTF8');
    END IF;

    grown := length(new_value) + CASE WHEN there THEN -length(stored.value) ELSE length(entry_key) END;
    IF held.keys + (NOT there)::int > max_keys OR held.bytes + grown > max_bytes THEN
        -- What has expired does not count; it is forgotten before anybody is refused.
        WITH gone AS (
            DELETE FROM kv_entries WHERE scope = held.id AND expires_at <= moment AND key <> entry_key
            RETURNING length(key) + length(value) AS size
        )
        UPDATE kv_scopes SET keys = keys - (SELECT count(*) FROM gone), bytes = bytes - (SELECT coalesce(sum(size), 0) FROM gone)
            WHERE id = held.id RETURNING * INTO held;
        IF held.keys + (NOT there)::int > max_keys THEN
            outcome := 'keys';
            RETURN;
        END IF;
        IF held.bytes + grown > max_bytes THEN
            outcome := 'bytes';
            RETURN;
        END IF;
    END IF;

    new_version := CASE WHEN live THEN stored.version + 1 ELSE 1 END;
    IF there THEN
        UPDATE kv_entries SET value = new_value, number = new_number, version = new_version, expires_at = expiry
            WHERE scope = held.id AND key = entry_key;
    ELSE
        INSERT INTO kv_entries (scope, key, value, number, version, expires_at)
            VALUES (held.id, entry_key, new_value, new_number, new_version, expiry);
    END IF;
    IF grown <> 0 OR NOT there THEN
        UPDATE kv_scopes SET keys = keys + (NOT there)::int, bytes = bytes + grown WHERE id = held.id;
    END IF;
    outcome := 'done';
END
$$;

-- Answers 1 when something that was still there is gone.
CREATE FUNCTION oriel_kv_delete(scope_tenant text, scope_extension text, entry_key bytea, moment bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    scope_id bigint;
    gone kv_entries%ROWTYPE;
BEGIN
    SELECT id INTO scope_id FROM kv_scopes WHERE tenant = scope_tenant AND extension = scope_extension FOR UPDATE;
    DELETE FROM kv_entries WHERE scope = scope_id AND key = entry_key RETURNING * INTO gone;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE kv_scopes SET keys = keys - 1, bytes = bytes - length(gone.key) - length(gone.value) WHERE id = scope_id;
    RETURN (gone.expires_at IS NULL OR gone.expires_at > moment)::int;
END
$$;

-- Locks scopes in the order of their ids, so that two purges never wait for each other in a circle.
CREATE FUNCTION oriel_kv_purge(moment bigint, at_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    purged bigint := 0;
    scope_id bigint;
    gone_keys bigint;
    gone_bytes bigint;
BEGIN
    FOR scope_id IN
        SELECT DISTINCT oldest.scope
        FROM (SELECT scope FROM kv_entries WHERE expires_at <= moment ORDER BY expires_at LIMIT at_most) AS oldest
        ORDER BY oldest.scope
    LOOP
        PERFORM 1 FROM kv_scopes WHERE id = scope_id FOR UPDATE;
        WITH gone AS (
            DELETE FROM kv_entries WHERE scope = scope_id AND key IN (
                SELECT key FROM kv_entries WHERE scope = scope_id AND expires_at <= moment LIMIT at_most - purged
            ) RETURNING length(key) + length(value) AS size
        )
        SELECT count(*), coalesce(sum(size), 0) INTO gone_keys, gone_bytes FROM gone;
        UPDATE kv_scopes SET keys = keys - gone_keys, bytes = bytes - gone_bytes WHERE id = scope_id;
        purged := purged + gone_keys;
        EXIT WHEN purged >= at_most;
    END LOOP;
    RETURN purged;
END
$$;
