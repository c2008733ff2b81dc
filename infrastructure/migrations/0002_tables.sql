-- The ordinary tables beside the events: secrets, sessions, requests under way, counters, and where the projections stand.

CREATE TABLE store_meta (
    key text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    slug text UNIQUE NOT NULL,
    name text NOT NULL
);

-- key: keyed hash of the e-mail (password) or of the subject (sso); secret: an argon2id hash.
CREATE TABLE logins (
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('password', 'sso')),
    issuer text NOT NULL DEFAULT '',
    key bytea NOT NULL,
    member_id uuid NOT NULL,
    secret text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, kind, issuer, key)
);
CREATE INDEX logins_of_member ON logins (account_id, member_id);

-- owner: the resource's identifier, or the client id that a registration access token belongs to.
CREATE TABLE credentials (
    id text PRIMARY KEY,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('resource', 'registration')),
    owner text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX credentials_of_owner ON credentials (account_id, kind, owner);

CREATE TABLE subjects (
    subject text PRIMARY KEY,
    account_id uuid NOT NULL
);
CREATE INDEX subjects_of_account ON subjects (account_id);

-- Erasing a member deletes the subject row, and with it every data key: a request in flight can make no new one.
CREATE TABLE subject_keys (
    kid text PRIMARY KEY,
    subject text NOT NULL REFERENCES subjects ON DELETE CASCADE,
    period text NOT NULL,
    wrapped bytea NOT NULL,
    kek_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject, period)
);

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    account_id uuid NOT NULL,
    use text NOT NULL CHECK (use IN ('token', 'assertion')),
    alg text NOT NULL,
    public_jwk text NOT NULL,
    private_wrapped bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('published', 'active', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    activate_at timestamptz,
    retire_at timestamptz
);
CREATE INDEX signing_keys_of_account ON signing_keys (account_id, use);

CREATE TABLE browser_sessions (
    id_hash bytea PRIMARY KEY,
    account_id uuid NOT NULL,
    member_id uuid NOT NULL,
    sign_in_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 80);
CREATE INDEX browser_sessions_of_member ON browser_sessions (account_id, member_id);
CREATE INDEX browser_sessions_expiry ON browser_sessions (expires_at);

CREATE TABLE authorization_requests (
    id text PRIMARY KEY,
    account_id uuid NOT NULL,
    client_id uuid NOT NULL,
    parameters jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    browser_binding bytea,
    decided_at timestamptz
);
CREATE INDEX authorization_requests_expiry ON authorization_requests (expires_at);

CREATE TABLE rate_counters (
    bucket text NOT NULL,
    window_start timestamptz NOT NULL,
    count int NOT NULL,
    PRIMARY KEY (bucket, window_start)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE setup_links (
    hash bytea PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE consent_texts (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    language text NOT NULL,
    body text NOT NULL
);

CREATE TABLE gateway_sessions (
    id_hash bytea PRIMARY KEY,
    account_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    upstream_session text
) WITH (fillfactor = 80);
CREATE INDEX gateway_sessions_of_grant ON gateway_sessions (grant_id);

CREATE TABLE projections (
    name text PRIMARY KEY,
    version int NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    table_suffix text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('live', 'building', 'stopped')),
    error text,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One row: which process leads the projector and when it last said so.
CREATE TABLE projector_leader (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    holder text NOT NULL,
    backend_pid int NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    store_meta, accounts, logins, credentials, subjects, subject_keys, signing_keys, browser_sessions, authorization_requests,
    rate_counters, setup_links, consent_texts, gateway_sessions, projections, projector_leader
TO {{web_role}};
