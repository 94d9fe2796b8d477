-- Times are RFC 3339 text in UTC, so that they sort and read the same.

CREATE TABLE users (
  id            TEXT PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE,
  role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
  max_sandboxes INTEGER NOT NULL,
  max_cpus      INTEGER NOT NULL,
  max_memory_mb INTEGER NOT NULL,
  created_at    TEXT NOT NULL
) STRICT;

-- A table of their own: a user may get more than one key, each with a scope.
CREATE TABLE keys (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  sha256     TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX keys_user ON keys (user_id);

CREATE TABLE sandboxes (
  id                   TEXT PRIMARY KEY,
  user_id              TEXT NOT NULL REFERENCES users (id),
  name                 TEXT NOT NULL,
  status               TEXT NOT NULL CHECK (status IN ('creating', 'running', 'stopped', 'unknown')),
  status_reason        TEXT,
  -- The engine's name for the machine; null until there is one.
  engine_id            TEXT UNIQUE,
  image                TEXT NOT NULL,
  image_digest         TEXT NOT NULL,
  cpus                 INTEGER NOT NULL,
  memory_mb            INTEGER NOT NULL,
  disk_size_mb         INTEGER NOT NULL,
  env                  TEXT NOT NULL,
  init                 TEXT,
  keep_hot             INTEGER NOT NULL CHECK (keep_hot IN (0, 1)),
  labels               TEXT NOT NULL,
  created_at           TEXT NOT NULL,
  stopped_at           TEXT,
  -- Set before anything is removed, so that a destroy that a crash cut short is finished at the next start.
  destroy_requested_at TEXT,
  UNIQUE (user_id, name)
) STRICT;

CREATE TABLE images (
  id         TEXT PRIMARY KEY,
  -- Null: the operator's, seen by every user.
  user_id    TEXT REFERENCES users (id),
  name       TEXT NOT NULL,
  digest     TEXT NOT NULL,
  source     TEXT NOT NULL,
  -- Relative to the data directory.
  path       TEXT NOT NULL,
  size_mb    INTEGER NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
-- NULLs differ in a plain unique index; here they must not.
CREATE UNIQUE INDEX images_owner_name ON images (ifnull(user_id, ''), name);

-- No references: events outlive what they tell about.
CREATE TABLE events (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  ts         TEXT NOT NULL,
  type       TEXT NOT NULL,
  user_id    TEXT,
  sandbox_id TEXT,
  meta       TEXT NOT NULL
) STRICT;
CREATE INDEX events_ts ON events (ts);
CREATE INDEX events_type ON events (type, ts);
