/** Tells of transitions as Kubernetes Events on the objects concerned. The log has every one. */
import { EventWriter, type ApiServer, type KubernetesObject } from '../../kubernetes';
import type { BridgeEvent, EventReason } from '../events';
import { objectKey } from '../manifests';
import type { ClusterObjects } from './objects';

/** What {@link eventRecorder} needs. */
export interface EventRecorderOptions {
  api: ApiServer;
  objects: ClusterObjects;
  isLeader: () => boolean;
  /** Name of this process. */
  instance: string;
  onError?: (error: unknown) => void;
}

/** Writes events. */
export interface EventRecorder {
  record(event: BridgeEvent): void;
  /** Writes what waits. */
  stop(): Promise<void>;
}

/** Told of in the log alone: one for each VM of a large group, and what is about no object. */
const LOG_ONLY: ReadonlySet<EventReason> = new Set([
  'MemberStarted',
  'MemberDone',
  'TemporalReachable',
  'TemporalUnreachable',
  'RequestRefused',
  'SourceWarning',
]);
/** Milliseconds between two writes of one Event. */
const PAUSE = 5_000;

/** Makes a recorder. */
export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const { api, objects, isLeader, instance, onError = () => undefined } = options;
  const writer = new EventWriter({ api, controller: 'vmgroup.dev/bridge', instance, pause: PAUSE, onError });

  function objectOf({ object }: BridgeEvent): KubernetesObject | undefined {
    if (object.kind === 'VirtualMachineGroup') return objects.groups.get(objectKey(object));
    if (object.kind === 'VirtualMachine') return objects.machines.get(objectKey(object));
    return object.kind === 'SequencePolicy' ? objects.policies.get(objectKey(object)) : undefined;
  }

  return {
    record: (event) => {
      if (!isLeader() || LOG_ONLY.has(event.reason)) return;
      const object = objectOf(event);
      if (!object) return;
      const { type, reason, message: note, time: at } = event;
      writer.write(
        { ...object, kind: event.object.kind },
        { type, reason, action: reason, note, subject: subjectOf(event), at },
      );
    },
    stop: () => writer.stop(),
  };
}

/** What an event is about within its object: the member at the beginning of its message. Attempts of one member are a series. */
function subjectOf({ reason, message }: BridgeEvent): string {
  return reason.startsWith('Member') || reason === 'AttemptFailed'
    ? (message.split(/[: ]/)[0] ?? '')
    : message;
}
