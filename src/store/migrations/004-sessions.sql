-- What ran in a sandbox when it was last asked before it went to sleep, as JSON, and when that was. Null: nothing.
ALTER TABLE sandboxes ADD COLUMN sessions TEXT;
ALTER TABLE sandboxes ADD COLUMN sessions_at TEXT;
