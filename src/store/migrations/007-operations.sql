-- Long work, from its request to its end. No reference to its target: an operation outlives what it made or changed.
CREATE TABLE operations (
  id           TEXT PRIMARY KEY,
  kind         TEXT NOT NULL,
  -- Null: the operator's.
  user_id      TEXT REFERENCES users (id) ON DELETE CASCADE,
  target_kind  TEXT NOT NULL CHECK (target_kind IN ('sandbox', 'snapshot', 'image')),
  -- Null for a target that gets its id at the end.
  target_id    TEXT,
  target_name  TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
  progress     TEXT NOT NULL,
  -- JSON: the state before the operation, which recovery compares with the state after a crash.
  state_before TEXT NOT NULL,
  -- The process that runs it: its pid and start time.
  runner       TEXT NOT NULL,
  deadline     TEXT NOT NULL,
  -- JSON; exactly one of the two once it has ended.
  result       TEXT,
  error        TEXT,
  created_at   TEXT NOT NULL,
  started_at   TEXT,
  ended_at     TEXT,
  CHECK ((ended_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
) STRICT;
CREATE INDEX operations_user ON operations (user_id, created_at);
CREATE INDEX operations_unfinished ON operations (user_id) WHERE ended_at IS NULL;
