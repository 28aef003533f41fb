/** The tables of the record, in a schema of their own. Each migration runs once, in order, in one transaction. */
import type { ClientBase } from 'pg';

/** Advisory locks: of appends, and of migrations. Numbers that nothing else in the database is likely to use. */
export const APPEND_LOCK = 7_263_540_117;
const MIGRATION_LOCK = 7_263_540_118;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE vmgroup_record.installation (id text PRIMARY KEY, single boolean NOT NULL UNIQUE DEFAULT true CHECK (single));
  INSERT INTO vmgroup_record.installation (id) VALUES (gen_random_uuid()::text);
  CREATE TABLE vmgroup_record.executions (
    run_id text PRIMARY KEY, first_run_id text NOT NULL, workflow_id text NOT NULL,
    entries integer NOT NULL, state text NOT NULL CHECK (state IN ('Seen', 'Recorded', 'Gap'))
  );
  CREATE INDEX ON vmgroup_record.executions (state) WHERE state = 'Seen';
  CREATE TABLE vmgroup_record.entries (
    number bigint PRIMARY KEY, hash text NOT NULL UNIQUE, previous text NOT NULL UNIQUE,
    first_run_id text, run_number bigint, execution text, workflow_id text, namespace text, root text,
    kind text NOT NULL, time timestamptz NOT NULL, entry text NOT NULL,
    UNIQUE (first_run_id, run_number)
  );
  CREATE INDEX ON vmgroup_record.entries (workflow_id);
  CREATE INDEX ON vmgroup_record.entries (namespace, root);
  CREATE INDEX ON vmgroup_record.entries (time);
  CREATE TABLE vmgroup_record.histories (run_id text PRIMARY KEY, json bytea NOT NULL);
  CREATE TABLE vmgroup_record.complete (single boolean PRIMARY KEY DEFAULT true CHECK (single), at bigint NOT NULL);
  CREATE FUNCTION vmgroup_record.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the record is append-only'; END $$;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON vmgroup_record.entries
    FOR EACH STATEMENT EXECUTE FUNCTION vmgroup_record.refuse();
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON vmgroup_record.histories
    FOR EACH STATEMENT EXECUTE FUNCTION vmgroup_record.refuse();
  `,
];

/** Brings the tables up to date. Call it in a transaction. */
export async function migrate(client: ClientBase): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
  await client.query('CREATE SCHEMA IF NOT EXISTS vmgroup_record');
  await client.query(
    'CREATE TABLE IF NOT EXISTS vmgroup_record.migrations (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())',
  );
  const { rows } = await client.query<{ version: number }>(
    'SELECT coalesce(max(version), 0) AS version FROM vmgroup_record.migrations',
  );
  const done = rows[0]?.version ?? 0;
  for (const [index, sql] of MIGRATIONS.slice(done).entries()) {
    await client.query(sql);
    await client.query('INSERT INTO vmgroup_record.migrations (version) VALUES ($1)', [done + index + 1]);
  }
}
