-- What a user's sandboxes may start from. Null: not said, so the daemon's default at the time of the create.
CREATE TABLE templates (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  image        TEXT,
  cpus         INTEGER,
  memory_mb    INTEGER,
  disk_size_mb INTEGER,
  env          TEXT NOT NULL,
  init         TEXT,
  keep_hot     INTEGER NOT NULL CHECK (keep_hot IN (0, 1)),
  labels       TEXT NOT NULL,
  created_at   TEXT NOT NULL,
  UNIQUE (user_id, name)
) STRICT;

-- No reference: a sandbox outlives the template that it was made from.
ALTER TABLE sandboxes ADD COLUMN template_id TEXT;
