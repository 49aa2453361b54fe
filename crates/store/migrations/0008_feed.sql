-- What is searched stands beside its document, as every database can read it, and every commit has a
-- revision.

ALTER TABLE alerts ADD COLUMN severity TEXT;
ALTER TABLE alerts ADD COLUMN subject TEXT;
UPDATE alerts SET severity = document ->> 'severity', subject = document ->> 'subject' WHERE json_valid(document);

ALTER TABLE deployments ADD COLUMN generation INTEGER;
ALTER TABLE deployments ADD COLUMN finished_s INTEGER;
UPDATE deployments SET
    generation = document ->> 'generation',
    finished_s = unixepoch(document ->> 'finished_at')
    WHERE json_valid(document);

ALTER TABLE audit ADD COLUMN actor TEXT;
ALTER TABLE audit ADD COLUMN action TEXT;
ALTER TABLE audit ADD COLUMN outcome TEXT;
ALTER TABLE audit ADD COLUMN request_id TEXT;
ALTER TABLE audit ADD COLUMN at_ms INTEGER;
UPDATE audit SET
    actor = document ->> 'actor',
    action = document ->> 'action',
    outcome = document ->> 'outcome',
    request_id = document ->> 'request_id',
    at_ms = CAST(round(unixepoch(document ->> 'timestamp', 'subsec') * 1000) AS INTEGER)
    WHERE json_valid(document);

-- What each commit changed, newest last. Older ones give way; who has not read them reads all again.
CREATE TABLE feed (
    revision INTEGER PRIMARY KEY,
    changes  TEXT NOT NULL
) STRICT;
