/** Lookup by a name that comes from outside. */

/** The value that `record` itself has for `key`; undefined for names that every object inherits, such as `constructor`. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}
