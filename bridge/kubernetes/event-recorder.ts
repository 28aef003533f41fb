/** Writes events of the bridge as Kubernetes Events on the objects that they are about. The log has all of them. */
import { EventWriter, type ApiServer, type KubernetesObject } from '../../kubernetes';
import type { BridgeEvent, EventReason } from '../events';
import { objectKey } from '../manifests';
import type { ClusterObjects } from './objects';

/** What {@link EventRecorder} needs. */
export interface EventRecorderOptions {
  api: ApiServer;
  objects: ClusterObjects;
  isLeader: () => boolean;
  /** Name of this process. */
  instance: string;
  onError: (error: unknown) => void;
}

/** In the log only: one for each VM of a large group, and what is about no object. */
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

/** Writes Events. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #writer: EventWriter;

  constructor(options: EventRecorderOptions) {
    const { api, instance, onError } = options;
    this.#options = options;
    this.#writer = new EventWriter({
      api,
      controller: 'vmgroup.dev/bridge',
      instance,
      pause: PAUSE,
      onError,
    });
  }

  /** Writes an event soon, if this process leads and the event is for an object that exists. */
  record(event: BridgeEvent): void {
    if (!this.#options.isLeader() || LOG_ONLY.has(event.reason)) return;
    const object = this.#objectOf(event);
    if (!object) return;
    const { type, reason, message: note, time: at, member = note } = event;
    this.#writer.write(
      { ...object, kind: event.object.kind },
      { type, reason, action: reason, note, subject: member, at },
    );
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    await this.#writer.stop();
  }

  #objectOf({ object }: BridgeEvent): KubernetesObject | undefined {
    const { groups, machines, policies } = this.#options.objects;
    switch (object.kind) {
      case 'VirtualMachineGroup':
        return groups.get(objectKey(object));
      case 'VirtualMachine':
        return machines.get(objectKey(object));
      case 'SequencePolicy':
        return policies.get(objectKey(object));
      default:
        return undefined;
    }
  }
}
