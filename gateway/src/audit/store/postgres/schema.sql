-- The audit log of one trust domain, for any number of gateways. Run it once, as who owns the database:
--
--   loket audit schema | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
--
-- Then let each gateway in, and whoever reads:
--
--   CREATE ROLE gateway_1 LOGIN PASSWORD '...' IN ROLE loket_audit_writer;
--   CREATE ROLE auditor LOGIN PASSWORD '...' IN ROLE loket_audit_reader;
--
-- And, where the configuration sets a term (retention):
--
--   GRANT loket_audit_pruner TO gateway_1;

CREATE SCHEMA loket_audit;

CREATE TABLE loket_audit.version (version integer NOT NULL);
INSERT INTO loket_audit.version VALUES (2);

-- How far the log has got: one row, which a gateway locks while it appends.
CREATE TABLE loket_audit.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL DEFAULT 0,
    -- Hashes of the complete subtrees, from the largest to the smallest.
    edge bytea NOT NULL DEFAULT '',
    -- When the last leaf is dated, in microseconds since 1970.
    at bigint,
    -- The newest signed checkpoint.
    note text NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
INSERT INTO loket_audit.head DEFAULT VALUES;

CREATE TABLE loket_audit.leaf (
    place bigint PRIMARY KEY,
    at bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    -- The entry's subject_ref, if it has one.
    subject bytea,
    body bytea NOT NULL
);
CREATE INDEX leaf_at ON loket_audit.leaf (at, place);
CREATE INDEX leaf_subject ON loket_audit.leaf (subject, place) WHERE subject IS NOT NULL;

-- Hashes of complete subtrees of 256 leaves, 65,536 leaves and so on. Those between follow from these
-- and the leaves'.
CREATE TABLE loket_audit.subtree (
    level smallint,
    place bigint,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, place)
);

-- Every signed checkpoint, and which batch it ends.
CREATE TABLE loket_audit.checkpoint (
    size bigint PRIMARY KEY,
    note text NOT NULL,
    batch uuid NOT NULL
);

-- Where the entries begin whose term isn't over: one row, which whoever deletes locks.
CREATE TABLE loket_audit.term (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The first place whose text isn't to be deleted.
    first bigint NOT NULL DEFAULT 0,
    -- The first place whose text wasn't deleted yet.
    emptied bigint NOT NULL DEFAULT 0 CHECK (emptied <= first)
);
INSERT INTO loket_audit.term DEFAULT VALUES;

-- Nobody changes what is written, not even by mistake as the owner. Whoever turns this off is found out
-- by `loket audit verify`: the tree tells, not this.
CREATE FUNCTION loket_audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % on %', TG_OP, TG_TABLE_NAME;
END $$;

-- Of an entry past its term the text may go, and nothing else.
CREATE FUNCTION loket_audit.only_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.body = '' AND NEW.subject IS NULL
        AND (NEW.place, NEW.at, NEW.hash) = (OLD.place, OLD.at, OLD.hash)
        AND OLD.place < (SELECT first FROM loket_audit.term) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log only grows: % on %', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER grows BEFORE DELETE OR TRUNCATE ON loket_audit.leaf
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER empties BEFORE UPDATE ON loket_audit.leaf
    FOR EACH ROW EXECUTE FUNCTION loket_audit.only_empty();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON loket_audit.term
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER grows BEFORE UPDATE OR DELETE OR TRUNCATE ON loket_audit.subtree
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER grows BEFORE UPDATE OR DELETE OR TRUNCATE ON loket_audit.checkpoint
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON loket_audit.head
    EXECUTE FUNCTION loket_audit.refuse();

-- Deletes the text of at most `most` entries before a place; whether there are more. Places, dates and
-- hashes stay, so that the tree verifies. What a start of a gateway reads back can't go, whoever asks.
CREATE FUNCTION loket_audit.prune(before bigint, most bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told bigint;
    done bigint;
    upto bigint;
    youngest bigint := extract(epoch FROM now() - interval '4 days') * 1000000;
BEGIN
    SELECT first, emptied INTO told, done FROM loket_audit.term FOR UPDATE;
    IF before > told THEN
        IF (SELECT at < youngest FROM loket_audit.leaf WHERE place = before - 1) IS NOT TRUE THEN
            RAISE EXCEPTION 'entries younger than four days are not deleted';
        END IF;
        UPDATE loket_audit.term SET first = before;
        told := before;
    END IF;
    upto := least(told, done + most);
    UPDATE loket_audit.leaf SET body = '', subject = NULL WHERE place >= done AND place < upto;
    UPDATE loket_audit.term SET emptied = upto;
    RETURN upto < told;
END $$;
REVOKE ALL ON FUNCTION loket_audit.prune FROM PUBLIC;

-- Roles belong to the whole server: another database of it may have brought them.
DO $$
BEGIN
    CREATE ROLE loket_audit_reader NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE loket_audit_writer NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE loket_audit_pruner NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

GRANT USAGE ON SCHEMA loket_audit TO loket_audit_reader, loket_audit_writer, loket_audit_pruner;
GRANT EXECUTE ON FUNCTION loket_audit.prune TO loket_audit_pruner;
GRANT SELECT ON ALL TABLES IN SCHEMA loket_audit TO loket_audit_reader, loket_audit_writer;
GRANT INSERT ON loket_audit.leaf, loket_audit.subtree, loket_audit.checkpoint TO loket_audit_writer;
GRANT UPDATE (size, edge, at, note) ON loket_audit.head TO loket_audit_writer;
