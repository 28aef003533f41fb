/** Reads single objects as an API server sends them. */
import { nameObject, type ObjectFinding, type ReadObject, recognize } from './kinds';
import type { ObjectRef } from './problem';

/** One object of an API server. */
export interface Resource {
  /** Absent where the value does not name its object. */
  ref?: ObjectRef;
  /** Absent where there is an error among the findings, and for kinds of other products. */
  read?: ReadObject;
  findings: ObjectFinding[];
}

/**
 * Reads one object as an API server sends it, alone or as an item of a list of custom resources. Its revision is `uid:generation`.
 *
 * A field that its schema here does not know is a warning, not an error: the API server knows it. Never throws.
 */
export function readResource(value: unknown): Resource {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = 'an object is a mapping with apiVersion, kind and metadata';
    return { findings: [{ severity: 'Error', path: [], at: 'value', message }] };
  }
  const object = value as Record<string, unknown>;
  const recognized = recognize(object['apiVersion'], object['kind']);
  const ref = nameObject(object);
  const named = ref && { ref };
  if (recognized.kind === undefined)
    return { ...named, findings: recognized.mistake ? [recognized.mistake] : [] };
  return { ...named, ...recognized.read(object, { from: 'api-server' }) };
}
