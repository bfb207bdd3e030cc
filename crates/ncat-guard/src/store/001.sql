CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE principal (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('user', 'service', 'sentry', 'witness')),
  name TEXT NOT NULL UNIQUE,
  display TEXT,
  issuer TEXT NOT NULL CHECK (issuer IN ('local', 'oidc', 'mtls', 'host')),
  external_sub TEXT,
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  assurance INTEGER NOT NULL,
  pseudonym BLOB NOT NULL CHECK (length(pseudonym) = 16),
  disabled_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE policy_bundle (
  version INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,
  data TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('draft', 'simulate', 'active', 'retired')),
  author TEXT NOT NULL,
  approver TEXT CHECK (approver <> author),
  activated_at INTEGER,
  note TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX policy_one_active ON policy_bundle (state) WHERE state = 'active';

CREATE TABLE access_grant (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  actions TEXT NOT NULL,
  networks TEXT NOT NULL,
  ports TEXT NOT NULL,
  protocols TEXT NOT NULL,
  allow_cleartext INTEGER NOT NULL,
  allow_unverified INTEGER NOT NULL,
  allow_exec INTEGER NOT NULL,
  max_hosts INTEGER,
  max_uses INTEGER,
  used INTEGER NOT NULL DEFAULT 0,
  purpose TEXT NOT NULL,
  ticket TEXT,
  requested_by TEXT NOT NULL,
  approved_by TEXT CHECK (approved_by <> requested_by),
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL CHECK (not_after > not_before),
  status TEXT NOT NULL CHECK (status IN ('requested', 'active', 'rejected', 'expired', 'revoked', 'exhausted')),
  decided_reason TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_grant_status ON access_grant (status, not_after);
