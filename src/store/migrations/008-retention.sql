-- The oldest events of each user are deleted when there are too many.
CREATE INDEX events_user ON events (user_id, id);
