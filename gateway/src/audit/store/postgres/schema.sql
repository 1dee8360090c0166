-- The audit log of one trust domain, for any number of gateways. Run it once, as who owns the database:
--
--   loket audit schema | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
--
-- Then let each gateway in, and whoever reads:
--
--   CREATE ROLE gateway_1 LOGIN PASSWORD '...' IN ROLE loket_audit_writer;
--   CREATE ROLE auditor LOGIN PASSWORD '...' IN ROLE loket_audit_reader;

CREATE SCHEMA loket_audit;

CREATE TABLE loket_audit.version (version integer NOT NULL);
INSERT INTO loket_audit.version VALUES (1);

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

-- Nobody changes what is written, not even by mistake as the owner. Whoever turns this off is found out
-- by `loket audit verify`: the tree tells, not this.
CREATE FUNCTION loket_audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % on %', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER grows BEFORE UPDATE OR DELETE OR TRUNCATE ON loket_audit.leaf
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER grows BEFORE UPDATE OR DELETE OR TRUNCATE ON loket_audit.subtree
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER grows BEFORE UPDATE OR DELETE OR TRUNCATE ON loket_audit.checkpoint
    EXECUTE FUNCTION loket_audit.refuse();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON loket_audit.head
    EXECUTE FUNCTION loket_audit.refuse();

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

GRANT USAGE ON SCHEMA loket_audit TO loket_audit_reader, loket_audit_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA loket_audit TO loket_audit_reader, loket_audit_writer;
GRANT INSERT ON loket_audit.leaf, loket_audit.subtree, loket_audit.checkpoint TO loket_audit_writer;
GRANT UPDATE (size, edge, at, note) ON loket_audit.head TO loket_audit_writer;
