/** Objects by name. */
import type { ObjectName } from '../../api';

/** Identifies an object within its kind: `namespace/name`. */
export type ObjectKey = string;

/** The {@link ObjectKey} of an object. */
export function objectKey(object: ObjectName): ObjectKey {
  return `${object.namespace}/${object.name}`;
}

/** The object that a key names. */
export function splitKey(key: ObjectKey): ObjectName {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Order of names that does not depend on the locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
