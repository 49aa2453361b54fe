-- Until which number open alerts were told over which a silence ended: many are told little by little. One that was
-- taken away is kept until then, and is in no list.
ALTER TABLE silences ADD COLUMN told_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE silences ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
