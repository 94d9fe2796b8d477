-- What a sandbox does while nobody uses it. Null: the daemon's settings at that time.
ALTER TABLE sandboxes ADD COLUMN thermal TEXT NOT NULL DEFAULT 'hot' CHECK (thermal IN ('hot', 'warm', 'cold'));
UPDATE sandboxes SET thermal = 'cold' WHERE status = 'stopped';
-- Seconds; 0 means never.
ALTER TABLE sandboxes ADD COLUMN idle_warm_s INTEGER;
ALTER TABLE sandboxes ADD COLUMN idle_cold_s INTEGER;
-- When it is destroyed by itself.
ALTER TABLE sandboxes ADD COLUMN expires_at TEXT;
-- When it was last seen at work, so that a restart of the daemon does not make it look idle.
ALTER TABLE sandboxes ADD COLUMN last_active_at TEXT;

ALTER TABLE users ADD COLUMN max_snapshots INTEGER NOT NULL DEFAULT 5;

CREATE TABLE snapshots (
  id             TEXT PRIMARY KEY,
  user_id        TEXT NOT NULL REFERENCES users (id),
  name           TEXT NOT NULL,
  kind           TEXT NOT NULL CHECK (kind IN ('full', 'filesystem')),
  -- Until its files are complete and durable it is `creating`; a start removes what was cut short.
  status         TEXT NOT NULL CHECK (status IN ('creating', 'ready')),
  -- The sandbox that it was made of, which may be gone by now: no reference.
  source_id      TEXT NOT NULL,
  source_name    TEXT NOT NULL,
  image          TEXT NOT NULL,
  image_digest   TEXT NOT NULL,
  cpus           INTEGER NOT NULL,
  memory_mb      INTEGER NOT NULL,
  disk_size_mb   INTEGER NOT NULL,
  env            TEXT NOT NULL,
  init           TEXT,
  labels         TEXT NOT NULL,
  -- What its files take on the disk.
  size_mb        INTEGER NOT NULL,
  -- How long its source stood still for it, in milliseconds.
  paused_ms      REAL NOT NULL,
  created_at     TEXT NOT NULL,
  UNIQUE (user_id, name)
) STRICT;
