/** Lookup by a name that comes from outside. */

// Not looked up at each call: in the sandbox of a workflow, a global costs far more than a local, and the planner makes thousands of lookups.
const { hasOwn } = Object;

/** The value that `record` itself has for `key`; undefined for names that every object inherits, such as `constructor`. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && hasOwn(record, key) ? record[key] : undefined;
}
