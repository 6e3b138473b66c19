-- Format 1: The first version.
CREATE TABLE tasks (seq INTEGER PRIMARY KEY, intent TEXT NOT NULL, kind TEXT NOT NULL, key_fingerprint TEXT NOT NULL,
    spec TEXT NOT NULL, base_url TEXT NOT NULL, simulated INTEGER NOT NULL, digest TEXT NOT NULL,
    take INTEGER NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, word TEXT NOT NULL DEFAULT '',
    task_id TEXT NOT NULL DEFAULT '', outputs TEXT NOT NULL DEFAULT '[]', error TEXT NOT NULL DEFAULT '',
    credits REAL, file TEXT NOT NULL DEFAULT '', sha256 TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, accepted REAL, finished REAL, owner TEXT NOT NULL) STRICT;

CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ('refused', 'not sent');

CREATE INDEX by_task_id ON tasks (task_id);

CREATE TABLE events (at REAL NOT NULL, task INTEGER NOT NULL REFERENCES tasks (seq), changes TEXT NOT NULL) STRICT;

-- Format 2: Estimates, in a unit, and the progress of a task.
ALTER TABLE tasks ADD COLUMN estimate REAL;

ALTER TABLE tasks ADD COLUMN unit TEXT NOT NULL DEFAULT 'credits';

ALTER TABLE tasks ADD COLUMN progress REAL;

-- Format 3: The ledger's name in its journal. Programs that write no journal must refuse this format.
CREATE TABLE identity (id TEXT NOT NULL) STRICT;

INSERT INTO identity VALUES (lower(hex(randomblob(4))));

-- Format 4: A request that is sent in place of another.
ALTER TABLE tasks ADD COLUMN successor INTEGER;

ALTER TABLE tasks ADD COLUMN balance REAL;

DROP INDEX one_task_per_intent;

CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ('refused', 'not sent') AND successor IS NULL;

-- Format 5: Additional results, and since when a URL has not worked.
ALTER TABLE tasks ADD COLUMN beside TEXT NOT NULL DEFAULT '';

ALTER TABLE tasks ADD COLUMN dead REAL;

-- Format 6: The budget of a request.
ALTER TABLE tasks ADD COLUMN budget REAL;

-- Format 7: Where the ledger is, as JSON: path and inode. Programs that do not compare it must refuse this format.
ALTER TABLE identity ADD COLUMN home TEXT NOT NULL DEFAULT '';

CREATE INDEX by_intent ON tasks (intent);

CREATE INDEX events_by_task ON events (task);

-- Beside the format: what speeds a large ledger up. All of it follows from the rows and events, and a version that does not know it
-- keeps it current. `words` is the prompt in lower case, NULL until a search needs it; `person` and `review` are in events too.
CREATE TABLE extras (seq INTEGER PRIMARY KEY, person TEXT, review TEXT, words TEXT) STRICT;

CREATE TRIGGER save_extras AFTER INSERT ON events BEGIN
    INSERT INTO extras (seq) VALUES (new.task) ON CONFLICT DO NOTHING;
    UPDATE extras SET person = coalesce(json_extract(new.changes, '$.person'), person),
    review = nullif(coalesce(json_extract(new.changes, '$.review'), review), '') WHERE seq = new.task
    AND (instr(new.changes, '"review"') OR instr(new.changes, '"person"')) AND json_valid(new.changes); END;

CREATE TRIGGER forget_words AFTER UPDATE OF body ON tasks BEGIN UPDATE extras SET words = NULL WHERE seq = new.seq; END;

INSERT INTO extras (seq) SELECT seq FROM tasks;

UPDATE extras SET review = (SELECT nullif(json_extract(changes, '$.review'), '') FROM events WHERE task = extras.seq
    AND instr(changes, '"review"') ORDER BY rowid DESC LIMIT 1)
    WHERE seq IN (SELECT task FROM events WHERE instr(changes, '"review"'));

CREATE INDEX marked ON extras (review) WHERE review IS NOT NULL;

CREATE INDEX by_person ON extras (person);

CREATE INDEX without_words ON extras (seq) WHERE words IS NULL;

CREATE INDEX by_state ON tasks (state);

CREATE INDEX by_kind ON tasks (kind, state);

CREATE INDEX by_digest ON tasks (digest);

CREATE INDEX by_cost ON tasks (spec, simulated, state, finished, credits, estimate, unit, created);
