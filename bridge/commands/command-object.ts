/** An `OperatorCommand` object as the bridge reads it. Pure. */
import { readOperatorCommand, type OperatorCommandSpec } from '../../api';
import { isBeingDeleted, type KubernetesObject } from '../../kubernetes';
import type { Stamps } from '../stamps';

/** State of a command. */
export interface CommandStatus {
  phase: 'Pending' | 'Sending' | 'Done' | 'Refused' | 'Failed';
  message?: string;
  actor?: string;
  actorKnown?: boolean;
  runId?: string;
  finishedAt?: string;
}

/** A command, with what is kept of its object. */
export interface CommandObject extends KubernetesObject {
  namespace: string;
  uid: string;
  /** Milliseconds since the epoch, whole seconds. */
  createdAt: number;
  /** Or why it cannot be read. */
  read: { spec: OperatorCommandSpec } | { problem: string };
  /** Field manager of the client that created it. */
  manager: string;
  stored: CommandStatus;
}

/** What is kept of an object; one that is being deleted counts as gone. */
export function trimCommand(object: KubernetesObject): CommandObject | undefined {
  if (isBeingDeleted(object)) return undefined;
  const { name, namespace = '', uid = '', resourceVersion, generateName, annotations } = object.metadata;
  const { creationTimestamp = '' } = object.metadata;
  const metadata = {
    name,
    namespace,
    uid,
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(generateName !== undefined && { generateName }),
    ...(annotations && { annotations }),
  };
  return {
    metadata,
    spec: object.spec,
    namespace,
    uid,
    createdAt: Date.parse(creationTimestamp) || 0,
    read: readOperatorCommand(object.spec),
    manager: object.metadata.managedFields?.find(({ subresource }) => !subresource)?.manager ?? '',
    stored: storedStatus(object.status as Partial<CommandStatus> | undefined),
  };
}

function storedStatus(status: Partial<CommandStatus> = {}): CommandStatus {
  const { phase = 'Pending', message, actor, actorKnown, runId, finishedAt } = status;
  return {
    phase,
    ...(message !== undefined && { message }),
    ...(actor !== undefined && { actor }),
    ...(actorKnown !== undefined && { actorKnown }),
    ...(runId !== undefined && { runId }),
    ...(finishedAt !== undefined && { finishedAt }),
  };
}

/** Whether there is an answer. */
export function isFinished({ phase }: CommandStatus): boolean {
  return phase === 'Done' || phase === 'Refused' || phase === 'Failed';
}

/** Who gave a command. */
export interface CommandActor {
  name: string;
  known: boolean;
}

/** Who gave a command. `stamps` absent: no webhook is there, so the name is what the client claims. Undefined: the webhook has not stamped it. */
export function actorOf(command: CommandObject, stamps: Stamps | undefined): CommandActor | undefined {
  const { metadata, namespace, spec, manager, read } = command;
  if (!stamps) {
    const claimed = 'spec' in read ? read.spec.actor : undefined;
    return { name: claimed ?? (manager === '' ? 'unknown' : `unknown (${manager})`), known: false };
  }
  const { name, generateName } = metadata;
  const stamp = stamps.read(
    { kind: 'OperatorCommand', namespace, name, generateName, generation: 1, spec },
    metadata.annotations,
  );
  return stamp && { name: stamp.user, known: true };
}
