/** One object of a cluster as the source reads it. Pure. */
import { createHash } from 'node:crypto';
import {
  GROUP_FINALIZER,
  readBesideVmOperator,
  readResource,
  type ObjectFinding,
  type ObjectRef,
  type ReadObject,
  type VirtualMachine,
} from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import type { WrittenObject } from '../objects';

/** What was read of one object. */
export interface SourceObject {
  ref: ObjectRef;
  uid: string;
  generation: number;
  /** Its present form; absent: that has errors of its own. */
  current?: ReadObject;
  findings: ObjectFinding[];
  /** SOURCE-2: its last valid form. */
  inForce?: ReadObject;
  /** While this text stays the same, the source reports no change. It has the finalizer too, since no run starts without it. */
  mark: string;
}

/** Reads an object; `before` is what was read under its name last. `isCompanion`: VM Operator's group controller acts on groups too. */
export function readSourceObject(
  ref: ObjectRef,
  object: WrittenObject,
  before: SourceObject | undefined,
  isCompanion = false,
): SourceObject {
  const { uid = '', generation = 0, finalizers = [] } = object.metadata;
  const { read, findings } = (isCompanion ? readBesideVmOperator : readResource)(asOnServer(object));
  const current = read && withWriter(withoutUnread(read, object, isCompanion), object);
  // SOURCE-2: another object of the same name has no valid form of before.
  const inForce = before?.uid === uid ? before.inForce : undefined;
  const hasFinalizer = finalizers.includes(GROUP_FINALIZER);
  return {
    ref,
    uid,
    generation,
    findings,
    ...(current && { current }),
    ...(inForce && { inForce }),
    mark: JSON.stringify([uid, findings, current ? markOf(current) : generation, hasFinalizer]),
  };
}

function withWriter(read: ReadObject, { changedBy }: WrittenObject): ReadObject {
  return changedBy ? ({ ...read, object: { ...read.object, changedBy } } as ReadObject) : read;
}

/** An object without the fields that its cache adds. */
function asOnServer({ apiVersion, kind, metadata, spec, status }: KubernetesObject): KubernetesObject {
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata,
    ...(spec !== undefined && { spec }),
    ...(status !== undefined && { status }),
  };
}

/** What is kept of an object. The annotations of a VM are not read, and there may be many VMs with many of them. */
function withoutUnread(read: ReadObject, { spec }: KubernetesObject, isCompanion: boolean): ReadObject {
  if (read.kind === 'VirtualMachine') return { ...read, object: { ...read.object, annotations: {} } };
  // No parent writes a power state there.
  if (isCompanion) return read;
  if (read.kind !== 'VirtualMachineGroup' || read.object.groupName === undefined) return read;
  return { ...read, object: { ...read.object, revision: nestedRevision(read.object.uid, spec) } };
}

/**
 * A parent writes the power state of a nested group during its run: that is no new version of what the group wants. (Where revisions are
 * compared, power states are compared too.)
 */
function nestedRevision(uid: string, spec: unknown): string {
  const { powerState, ...rest } = (spec ?? {}) as Record<string, unknown>;
  return `${uid}:${createHash('sha256').update(JSON.stringify(rest)).digest('hex').slice(0, 12)}`;
}

/** The power state of a VM is that of its group, and the platform writes it at every operation: its change is no change here. */
function markOf(read: ReadObject): unknown {
  if (read.kind !== 'VirtualMachine') return read.object;
  const { generation, revision, powerState, ...mark } = read.object;
  return mark satisfies Partial<VirtualMachine>;
}
