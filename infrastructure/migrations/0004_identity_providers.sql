-- Sign-in through an account's own OpenID provider, and people provisioned by its directory (SCIM).

-- sealed: the client secret under a key derived from the root keys; events say only that it changed.
CREATE TABLE provider_secrets (
    account_id uuid NOT NULL,
    provider_id text NOT NULL,
    sealed bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, provider_id)
);

-- One row per sign-in under way. Nonce and code verifier are derived from the browser's cookie and stand nowhere.
CREATE TABLE sso_requests (
    state_hash bytea PRIMARY KEY CHECK (length(state_hash) = 32),
    account_id uuid NOT NULL,
    browser_hash bytea NOT NULL CHECK (length(browser_hash) = 32),
    next text NOT NULL,
    afresh boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX sso_requests_expiry ON sso_requests (expires_at);

-- What a directory keeps about a person beside the events: keyed hashes to find them by, the attributes sealed under the person's key.
CREATE TABLE directory_users (
    account_id uuid NOT NULL,
    member_id uuid NOT NULL,
    user_name_key bytea NOT NULL,
    external_id_key bytea,
    profile jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (account_id, member_id)
);
CREATE UNIQUE INDEX directory_users_by_name ON directory_users (account_id, user_name_key) WHERE deleted_at IS NULL;
CREATE INDEX directory_users_by_external_id ON directory_users (account_id, external_id_key);

ALTER TABLE credentials DROP CONSTRAINT credentials_kind_check;
ALTER TABLE credentials ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('resource', 'registration', 'scim'));

GRANT SELECT, INSERT, UPDATE, DELETE ON provider_secrets, sso_requests, directory_users TO {{web_role}};
