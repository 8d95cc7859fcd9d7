-- The posta command writes API keys, services read them. Only a key's SHA-256 is here.
CREATE TABLE api_key (
    id           text PRIMARY KEY,             -- to name one key among several of a name, as while one replaces another
    name         text NOT NULL,
    sha256       bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    scopes       text[] NOT NULL,
    sources      text[] NOT NULL DEFAULT '{}', -- patterns; empty: any
    destinations text[] NOT NULL DEFAULT '{}', -- patterns; empty: any
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    replaces     text REFERENCES api_key (id),
    last_used_at timestamptz                   -- to the hour or so
);
CREATE INDEX api_key_name ON api_key (name);
