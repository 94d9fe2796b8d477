-- The private network of each user that ever had a sandbox, by its number within the range for all of them.
CREATE TABLE networks (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  number  INTEGER NOT NULL UNIQUE
) STRICT;

-- A sandbox's place in its user's network, from its creation until it is destroyed.
CREATE TABLE leases (
  sandbox_id TEXT PRIMARY KEY REFERENCES sandboxes (id) ON DELETE CASCADE,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  host       INTEGER NOT NULL,
  UNIQUE (user_id, host)
) STRICT;

-- The range that was chosen for networks when none was configured.
ALTER TABLE host ADD COLUMN supernet TEXT;
