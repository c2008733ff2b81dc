-- The event store: events as they were committed, positions as the sequencer ordered them, snapshots of long grants.

CREATE TABLE events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL CHECK (topic !~ E'\n'),
    state bytea NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    notification_id bigint GENERATED ALWAYS AS IDENTITY,
    account_id uuid NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE INDEX events_feed ON events (xid, notification_id);

CREATE TABLE positions (
    position bigint PRIMARY KEY CHECK (position > 0),
    account_id uuid NOT NULL,
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    at timestamptz NOT NULL,
    leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
    UNIQUE (originator_id, originator_version)
);
CREATE INDEX positions_of_account ON positions (account_id, position);

CREATE TABLE snapshots (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);

-- Rows here are only ever added: vacuum by count, so that the visibility map and the frozen part keep up however large the
-- tables are, and freeze at once, since no row will change again.
ALTER TABLE events SET (
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0
);
ALTER TABLE positions SET (
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: history is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER positions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON positions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- ALWAYS: session_replication_role = replica would otherwise switch them off.
ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only;
ALTER TABLE positions ENABLE ALWAYS TRIGGER positions_append_only;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {{web_role}};
GRANT SELECT ON schema_migrations TO {{web_role}};
-- xid and notification_id stay with their defaults: who may write them may forge the order.
GRANT SELECT, INSERT (originator_id, originator_version, topic, state, account_id) ON events TO {{web_role}};
GRANT SELECT, INSERT (position, account_id, originator_id, originator_version, at, leaf_hash) ON positions TO {{web_role}};
GRANT SELECT, INSERT, DELETE ON snapshots TO {{web_role}};

-- Projection tables are made, replaced and dropped by the projector, which runs with the web role.
CREATE SCHEMA views;
GRANT USAGE, CREATE ON SCHEMA views TO {{web_role}};
