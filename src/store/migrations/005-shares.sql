-- The one link to a web shell that a sandbox may have. Of its token only the SHA-256 is kept.
CREATE TABLE shares (
  sandbox_id TEXT PRIMARY KEY REFERENCES sandboxes (id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL,
  read_only  INTEGER NOT NULL CHECK (read_only IN (0, 1)),
  -- Null: until it is revoked.
  expires_at TEXT,
  created_at TEXT NOT NULL
) STRICT;

-- What whoever came by the link has started, and may come back to.
CREATE TABLE share_sessions (
  sandbox_id TEXT NOT NULL REFERENCES shares (sandbox_id) ON DELETE CASCADE,
  session    TEXT NOT NULL,
  PRIMARY KEY (sandbox_id, session)
) STRICT;
