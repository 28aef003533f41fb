/**
 * The record in PostgreSQL. Any number of processes may append: each append holds an advisory lock for its transaction (RECORD-7), and unique
 * hashes refuse a fork even without it.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { Pool, type PoolClient } from 'pg';
import { asError, canonicalJson } from '../../../api';
import { asEntry, EMPTY, link, type Head, type RecordEntry, type Signer } from '../../chain';
import type { RecorderGap, RunEvent } from '../../events';
import {
  HISTORY_BYTES,
  RecordError,
  stateAfter,
  type EntryFilter,
  type KnownExecution,
  type RecordReader,
  type RecordStore,
} from '../store';
import { APPEND_LOCK, migrate } from './migrations';
import { conditions } from './query';

/** Entries that are read at a time. */
const PAGE = 500;
/** Milliseconds that a connection and a statement may take, and after which a server that is gone without a word is given up. */
const CONNECT_TIMEOUT = 10_000;
const STATEMENT_TIMEOUT = 60_000;
const ANSWER_TIMEOUT = 70_000;

/**
 * Connects to read, which takes no right to write: a standby does.
 *
 * @param url `postgres://...`; what it lacks comes from PostgreSQL's own variables, such as `PGPASSWORD` and `PGPASSFILE`.
 * @throws RecordError if the database does not answer or refuses, or has no record.
 */
export async function openPostgresReader(url: string): Promise<RecordReader> {
  return opened(new PostgresReader(connect(url)));
}

/**
 * Connects, and brings the tables up to date.
 *
 * @param url as for {@link openPostgresReader}.
 * @throws RecordError if the database does not answer or refuses.
 */
export async function openPostgresStore(url: string, signer?: Signer): Promise<RecordStore> {
  return opened(new PostgresStore(connect(url), signer));
}

function connect(url: string): Pool {
  const pool = new Pool({
    ...(url !== 'postgres:' && { connectionString: url }),
    max: 4,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    query_timeout: ANSWER_TIMEOUT,
    application_name: 'vmgroup record',
  });
  // An idle connection that breaks is replaced by the next call.
  pool.on('error', () => undefined);
  return pool;
}

async function opened<T extends PostgresReader>(reader: T): Promise<T> {
  try {
    await reader.open();
    return reader;
  } catch (error: unknown) {
    await reader.close().catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    throw new RecordError(`failed to open the record in PostgreSQL: ${why}`, { cause: error });
  }
}

class PostgresReader implements RecordReader {
  protected readonly pool: Pool;
  #installation = '';

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async open(): Promise<void> {
    const { rows: found } = await this.pool.query<{ database: string; table: string | null }>(
      "SELECT current_database() AS database, to_regclass('vmgroup_record.installation')::text AS table",
    );
    if (found[0]?.table === null)
      throw new RecordError(`the database ${found[0].database} has no record: none was written yet`);
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM vmgroup_record.installation');
    this.#installation = rows[0]?.id ?? '';
  }

  async installation(): Promise<string> {
    return this.#installation;
  }

  async *entries(filter: EntryFilter = {}): AsyncIterable<RecordEntry> {
    const { where, values } = conditions(filter);
    for (let after = 0; ;) {
      const { rows } = await this.pool.query<{ number: string; entry: string }>(
        `SELECT number, entry FROM vmgroup_record.entries WHERE number > $1${where} ORDER BY number LIMIT ${PAGE}`,
        [after, ...values],
      );
      for (const row of rows) {
        const entry = asEntry(JSON.parse(row.entry));
        if (!entry) throw new RecordError(`entry ${row.number} of the record in PostgreSQL is damaged`);
        yield entry;
        after = Number(row.number);
      }
      if (rows.length < PAGE) return;
    }
  }

  async history(execution: string): Promise<string | undefined> {
    const { rows } = await this.pool.query<{ json: Buffer }>(
      'SELECT json FROM vmgroup_record.histories WHERE run_id = $1',
      [execution],
    );
    return rows[0] && gunzipSync(rows[0].json, { maxOutputLength: HISTORY_BYTES }).toString();
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

class PostgresStore extends PostgresReader implements RecordStore {
  readonly #signer: Signer | undefined;

  constructor(pool: Pool, signer: Signer | undefined) {
    super(pool);
    this.#signer = signer;
  }

  override async open(): Promise<void> {
    await this.#transaction(migrate);
    await super.open();
  }

  async head(): Promise<Head> {
    return headOf(this.pool);
  }

  async execution(runId: string): Promise<KnownExecution | undefined> {
    return executionOf(this.pool, runId);
  }

  async seen(): Promise<{ runId: string; workflowId: string }[]> {
    const { rows } = await this.pool.query<{ runId: string; workflowId: string }>(
      `SELECT run_id AS "runId", workflow_id AS "workflowId" FROM vmgroup_record.executions WHERE state = 'Seen'`,
    );
    return rows;
  }

  async keepHistory(execution: string, json: string): Promise<void> {
    await this.pool.query(
      'INSERT INTO vmgroup_record.histories (run_id, json) VALUES ($1, $2) ON CONFLICT DO NOTHING',
      [execution, gzipSync(json)],
    );
  }

  async append(events: readonly RunEvent[], known: number): Promise<RecordEntry[] | undefined> {
    const [first] = events;
    if (!first) return [];
    return this.#transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [APPEND_LOCK]);
      const before = await executionOf(client, first.execution);
      if ((before?.entries ?? 0) !== known) return undefined;
      const [head, runHead] = [await headOf(client), await runHeadOf(client, first.run.runId)];
      const entries = await link(
        events,
        { installation: await this.installation(), head, runHead },
        this.#signer,
      );
      await insert(client, entries);
      const state = events.reduce((now, event) => stateAfter(event, now), before?.state ?? 'Seen');
      await client.query(
        `INSERT INTO vmgroup_record.executions (run_id, first_run_id, workflow_id, entries, state) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (run_id) DO UPDATE SET entries = excluded.entries, state = excluded.state`,
        [first.execution, first.run.runId, first.run.workflowId, known + entries.length, state],
      );
      return entries;
    });
  }

  appendGap(event: RecorderGap): Promise<RecordEntry> {
    return this.#transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [APPEND_LOCK]);
      const ends = { installation: await this.installation(), head: await headOf(client) };
      const entries = await link([event], ends, this.#signer);
      await insert(client, entries);
      return entries[0] as RecordEntry;
    });
  }

  async completeAt(): Promise<number | undefined> {
    const { rows } = await this.pool.query<{ at: string }>('SELECT at FROM vmgroup_record.complete');
    return rows[0] && Number(rows[0].at);
  }

  async setCompleteAt(at: number): Promise<void> {
    await this.pool.query(
      `INSERT INTO vmgroup_record.complete (at) VALUES ($1)
       ON CONFLICT (single) DO UPDATE SET at = excluded.at`,
      [Math.floor(at)],
    );
  }

  async #transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // Without a listener a connection that breaks now would end the process; the query under way rejects in any case.
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError);
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error: unknown) {
      // The server rolls back once the connection is closed; it may be one that no longer answers.
      broken ??= asError(error);
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

type Queryable = Pick<Pool, 'query'> | Pick<PoolClient, 'query'>;

async function headOf(client: Queryable): Promise<Head> {
  const { rows } = await (client as Pool).query<{ number: string; hash: string }>(
    'SELECT number, hash FROM vmgroup_record.entries ORDER BY number DESC LIMIT 1',
  );
  return rows[0] ? { number: Number(rows[0].number), hash: rows[0].hash } : EMPTY;
}

async function runHeadOf(client: Queryable, runId: string): Promise<Head> {
  const { rows } = await (client as Pool).query<{ number: string; hash: string }>(
    'SELECT run_number AS number, hash FROM vmgroup_record.entries WHERE first_run_id = $1 ORDER BY run_number DESC LIMIT 1',
    [runId],
  );
  return rows[0] ? { number: Number(rows[0].number), hash: rows[0].hash } : EMPTY;
}

async function executionOf(client: Queryable, runId: string): Promise<KnownExecution | undefined> {
  const { rows } = await (client as Pool).query<KnownExecution>(
    'SELECT entries, state, workflow_id AS "workflowId" FROM vmgroup_record.executions WHERE run_id = $1',
    [runId],
  );
  return rows[0];
}

/** Inserts entries, all in one statement. */
async function insert(client: PoolClient, entries: readonly RecordEntry[]): Promise<void> {
  const rows = entries.map((entry) => {
    const { chain, runChain, event, hash } = entry;
    const run = 'run' in event ? event.run : undefined;
    return {
      number: chain.number,
      hash,
      previous: chain.previous,
      kind: event.kind,
      time: event.time,
      first_run_id: column(run?.runId),
      workflow_id: column(run?.workflowId),
      namespace: column(run?.namespace),
      root: column(run?.root),
      run_number: runChain?.number,
      execution: 'execution' in event ? event.execution : undefined,
      entry: canonicalJson(entry),
    };
  });
  await client.query(
    `INSERT INTO vmgroup_record.entries
     SELECT * FROM jsonb_populate_recordset(null::vmgroup_record.entries, $1::jsonb)`,
    [JSON.stringify(rows)],
  );
}

/** A text that PostgreSQL takes: without zeros and half characters. */
function column(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text.replaceAll('\0', '')).toString();
}
