-- What the API answered under an Idempotency-Key. id and request are digests; the answer is sealed under a key that only the caller's own
-- Idempotency-Key completes, since it may hold a secret or a person's data.

CREATE TABLE idempotency_keys (
    id bytea PRIMARY KEY CHECK (length(id) = 32),
    account_id uuid NOT NULL,
    request bytea NOT NULL,
    done boolean NOT NULL DEFAULT false,
    answer bytea,
    claimed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO {{web_role}};
