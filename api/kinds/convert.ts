/** What the conversions of all kinds have in common. */
import { parseDuration } from '../duration';
import type { ObjectMeta } from '../model';
import type { Finding, Path } from '../problem';

/** Reports a problem that a schema cannot express; an error unless `severity` says otherwise. */
export type Report = (
  path: Path,
  message: string,
  options?: { severity?: Finding['severity']; at?: Finding['at'] },
) => void;

/** Converts an object that matches its schema to the internal form. */
export type Convert<Written, Internal> = (written: Written, meta: ObjectMeta, report: Report) => Internal;

/** The type of an object without its undefined properties. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A copy without the undefined properties, so that it is plain JSON. */
export function present<T extends object>(object: T): Present<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Present<T>;
}

/** Milliseconds of a duration that its schema has checked; `undefined` if absent. */
export function optionalDuration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

/** The text, or `undefined` if it is empty: Kubernetes treats both as absent. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Reports every item with the key of an earlier one, and the path of the first. */
export function reportDuplicates<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  pathOf: (index: number) => string,
  report: (index: number, key: string, firstAt: string) => void,
): void {
  const first = new Map<string, number>();
  items.forEach((item, index) => {
    const key = keyOf(item);
    const before = first.get(key);
    if (before === undefined) first.set(key, index);
    else report(index, key, pathOf(before));
  });
}
