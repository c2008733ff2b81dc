-- The transparency log: what was signed, and the hashes of full tiles (EVIDENCE.md 1). Leaf hashes stand in positions.

CREATE TABLE ledger_checkpoints (
    origin text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (origin, size)
);

-- A hash of level 1 is the root of 256 leaf hashes, one of level 2 that of 256 hashes of level 1, and so on.
CREATE TABLE ledger_nodes (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 63),
    index bigint NOT NULL CHECK (index >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, index)
);

CREATE TRIGGER ledger_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE ledger_checkpoints ENABLE ALWAYS TRIGGER ledger_checkpoints_append_only;
ALTER TABLE ledger_nodes ENABLE ALWAYS TRIGGER ledger_nodes_append_only;

GRANT SELECT, INSERT ON ledger_checkpoints, ledger_nodes TO {{web_role}};
