-- Disk and memory use when the guest last reported it, as JSON with the time. Null: never.
ALTER TABLE sandboxes ADD COLUMN usage TEXT;
