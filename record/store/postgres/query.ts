/** Filters of entries as SQL. Values are parameters, never text of the statement. */
import type { EntryFilter } from '../store';

/** The conditions of a filter, to be put after `WHERE number > $1`, and their values. */
export function conditions(filter: EntryFilter): { where: string; values: unknown[] } {
  const { runId, workflowId, root, kinds, since } = filter;
  const values: unknown[] = [];
  let where = '';
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    values.push(value);
    where += ` AND ${condition(`$${values.length + 1}`)}`;
  };
  if (runId !== undefined) add((p) => `first_run_id = ${p}`, runId);
  if (workflowId !== undefined) add((p) => `workflow_id = ${p}`, workflowId);
  if (root) {
    add((p) => `namespace = ${p}`, root.namespace);
    add((p) => `root = ${p}`, root.name);
  }
  if (kinds) add((p) => `kind = ANY(${p}::text[])`, kinds);
  if (since !== undefined)
    add(
      (p) =>
        `(time >= ${p}::timestamptz OR first_run_id IN (SELECT first_run_id FROM vmgroup_record.entries WHERE time >= ${p}::timestamptz))`,
      since,
    );
  return { where, values };
}
