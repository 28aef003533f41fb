/** Reads single objects as an API server sends them. */
import { type Kind, type Kinds, nameObject, type ObjectFinding, type ReadObject, recognize } from './kinds';
import type { Manifests } from './model';
import { type Finding, formatPath, type ObjectRef, type Problem } from './problem';

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

/** Objects by their kind. */
export function manifestsOf(objects: readonly ReadObject[]): Manifests {
  const of = <K extends Kind>(kind: K): Kinds[K][] =>
    objects.flatMap((read) => (read.kind === kind ? [read.object as Kinds[K]] : []));
  return {
    groups: of('VirtualMachineGroup'),
    virtualMachines: of('VirtualMachine'),
    classes: of('VirtualMachineClass'),
    policies: of('SequencePolicy'),
    inventories: of('SimulatedInventory'),
    platforms: of('Platform'),
  };
}

/** A finding about an object of an API server, which has no place in a file. */
export function problemOf({ severity, object, path, message }: Finding): Problem {
  return { severity, file: '', line: 0, column: 0, path: formatPath(path), message, object };
}
