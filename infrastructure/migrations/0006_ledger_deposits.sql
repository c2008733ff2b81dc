-- Checkpoints that stand outside, and what came back: a cosignature line, an RFC 3161 token (base64), a commit, a file's name.

CREATE TABLE ledger_deposits (
    origin text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('folder', 'witness', 'timestamp', 'git')),
    place text NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    receipt text NOT NULL,
    told text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (origin, kind, place, size),
    FOREIGN KEY (origin, size) REFERENCES ledger_checkpoints
);
CREATE INDEX ledger_deposits_of_checkpoint ON ledger_deposits (origin, size);

CREATE TRIGGER ledger_deposits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_deposits
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE ledger_deposits ENABLE ALWAYS TRIGGER ledger_deposits_append_only;

GRANT SELECT, INSERT ON ledger_deposits TO {{web_role}};
