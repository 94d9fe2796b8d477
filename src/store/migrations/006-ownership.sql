-- Who this data directory belongs to. It lives with the rows: a new database has another id, so machines of a lost one
-- are never taken for leftovers.
CREATE TABLE host (
  id TEXT PRIMARY KEY
) STRICT;
INSERT INTO host (id) VALUES ('host_' || lower(hex(randomblob(8))));

-- Number of the sandbox's last start whose processors ran.
ALTER TABLE sandboxes ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
