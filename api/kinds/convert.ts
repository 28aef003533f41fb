/** What the conversions of all kinds have in common. */
import { parseDuration } from '../duration';
import type { ObjectMeta } from '../model';
import type { Finding, Path } from '../problem';

/** Notes something wrong that no schema can say; an error unless it says otherwise. */
export type Report = (
  path: Path,
  message: string,
  options?: { severity?: Finding['severity']; at?: Finding['at'] },
) => void;

/** Turns an object that fits its schema into the internal form. */
export type Convert<Written, Internal> = (written: Written, meta: ObjectMeta, report: Report) => Internal;

/** What optional properties become when those that are undefined are left out. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same object without properties that are undefined, so that it is plain JSON. */
export function present<T extends object>(object: T): Present<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Present<T>;
}

/** Milliseconds of a duration that its schema has checked; `undefined` for none. */
export function optionalDuration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

/** A text, or `undefined` where it is empty: Kubernetes takes both for absent. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Reports every item whose key was there before, with the path of the first one. */
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

/** Whether a value is a mapping, and not a list. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
