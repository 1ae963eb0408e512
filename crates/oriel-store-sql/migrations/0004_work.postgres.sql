
-- Claims units in one round trip; `kinds` is a JSON array of texts, `ran_out` a JSON text. Claims take turns among all nodes, so
-- that turns and the limit per tenant are exact. That costs little: the function runs for about a millisecond, and its commit
-- does not wait for the disk, because a claim that a power loss takes back is only a claim that has to be made again.
CREATE FUNCTION oriel_work_claim(
    kinds text, moment bigint, lease_end bigint, lease_id text, at_most bigint, per_tenant bigint, ran_out text
) RETURNS SETOF work LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    -- "work" as bytes.
    PERFORM pg_advisory_xact_lock(2003792491);

    UPDATE work SET dead_at = moment, error = ran_out, lease = NULL WHERE place IN (
        SELECT w.place FROM jsonb_array_elements_text(kinds::jsonb) AS wanted, work w
        WHERE w.kind = wanted COLLATE "C" AND w.lease IS NOT NULL AND w.ready_at <= moment AND w.attempts >= w.max_attempts
        FOR UPDATE OF w SKIP LOCKED
    );

    RETURN QUERY
    WITH RECURSIVE lanes (kind, tenant) AS (
        -- One probe of the index per tenant that has units, however many it has.
        SELECT k.kind, (SELECT w.tenant FROM work w WHERE w.kind = k.kind AND w.dead_at IS NULL ORDER BY w.tenant LIMIT 1)
        FROM (SELECT wanted COLLATE "C" AS kind FROM jsonb_array_elements_text(kinds::jsonb) AS wanted) k
        UNION ALL
        SELECT l.kind, (
            SELECT w.tenant FROM work w WHERE w.kind = l.kind AND w.tenant > l.tenant AND w.dead_at IS NULL ORDER BY w.tenant LIMIT 1
        ) FROM lanes l WHERE l.tenant IS NOT NULL
    ), heads AS MATERIALIZED (
        SELECT l.kind, l.tenant, coalesce(t.turn, 0) AS turn, (
            SELECT w.ready_at FROM work w WHERE w.kind = l.kind AND w.tenant = l.tenant AND w.dead_at IS NULL AND w.ready_at <= moment
            ORDER BY w.ready_at LIMIT 1
        ) AS head_at, per_tenant - (
            SELECT count(*) FROM work w WHERE w.kind = l.kind AND w.tenant = l.tenant AND w.lease IS NOT NULL AND w.ready_at > moment
        ) AS room
        FROM lanes l LEFT JOIN work_turns t ON t.kind = l.kind AND t.tenant = l.tenant WHERE l.tenant IS NOT NULL
    ), served AS MATERIALIZED (
        SELECT * FROM heads WHERE head_at IS NOT NULL AND room > 0 ORDER BY turn, head_at, kind, tenant LIMIT at_most
    ), ranked AS MATERIALIZED (
        SELECT s.kind, s.tenant, s.turn, due.place, due.ready_at,
            row_number() OVER (PARTITION BY s.kind, s.tenant ORDER BY due.ready_at, due.place) AS round
        FROM served s CROSS JOIN LATERAL (
            SELECT w.place, w.ready_at FROM work w
            WHERE w.kind = s.kind AND w.tenant = s.tenant AND w.dead_at IS NULL AND w.ready_at <= moment
            ORDER BY w.ready_at, w.place LIMIT least(s.room, at_most) FOR UPDATE SKIP LOCKED
        ) due
    ), picked AS MATERIALIZED (
        SELECT * FROM ranked ORDER BY round, turn, ready_at, place LIMIT at_most
    ), turned AS (
        INSERT INTO work_turns (kind, tenant, turn)
        SELECT DISTINCT p.kind, p.tenant, (SELECT coalesce(max(t.turn), 0) + 1 FROM work_turns t) FROM picked p
        ON CONFLICT (kind, tenant) DO UPDATE SET turn = excluded.turn
    ), taken AS (
        UPDATE work SET lease = lease_id, ready_at = lease_end, attempts = work.attempts + 1
        FROM picked p WHERE work.place = p.place RETURNING work.*
    )
    SELECT taken.* FROM taken JOIN picked p ON p.place = taken.place ORDER BY p.round, p.turn, p.ready_at, p.place;
END
$$;
