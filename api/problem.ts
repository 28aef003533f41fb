/** What is wrong with a manifest, and where. */

/** Names one object. */
export interface ObjectRef {
  kind: string;
  namespace: string;
  name: string;
}

/** A path into an object: `['spec', 'bootOrder', 0, 'delay']`. */
export type Path = readonly (string | number)[];

/** Place in a file: line and column count from 1. `file` is empty where the object did not come from one. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

/**
 * One thing that is wrong. Nothing of an object with an `Error` is in the parsed manifests; an object with a `Warning` is.
 *
 * An error without `object` belongs to no object that could be named: what its file holds is then unknown.
 */
export interface Problem extends Position {
  severity: 'Error' | 'Warning';
  /** Path into the object in the style of Kubernetes, `spec.bootOrder[0].delay`; empty for the document as a whole. */
  path: string;
  /** What is wrong and what would be right. */
  message: string;
  object?: ObjectRef;
}

/** A problem of one object, before its place in a file is known. */
export interface Finding {
  severity: Problem['severity'];
  object: ObjectRef;
  path: Path;
  /** Whether the key at the end of the path is at fault, or its value. */
  at: 'key' | 'value';
  message: string;
  /**
   * Tells it apart from the other findings of its object, whichever places it names and however it is worded: the rule, and what it is about.
   * Absent where path and message do.
   */
  key?: string;
}

/** Where a path of an object stands in the files; `undefined` where that is not known, as for an object from an API server. */
export type Locate = (object: ObjectRef, path: Path, at: 'key' | 'value') => Position | undefined;

/**
 * `file:line:column: path: message`, as `validate` prints it; `warning: ` goes before the message of a warning. Without a file it begins
 * with the path.
 */
export function formatProblem(problem: Problem): string {
  const { file, line, column, path, message, severity } = problem;
  const place = file === '' ? '' : `${file}:${line}:${column}: `;
  const field = path === '' ? '' : `${path}: `;
  return `${place}${field}${severity === 'Warning' ? 'warning: ' : ''}${message}`;
}

/** Writes a path as Kubernetes does: `spec.bootOrder[0].delay`, `metadata.annotations[vmgroup.dev/policy]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** `kind/namespace/name`. */
export function refKey({ kind, namespace, name }: ObjectRef): string {
  return `${kind}/${namespace}/${name}`;
}
