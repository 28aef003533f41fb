/**
 * Carries out operator commands that are objects of a cluster.
 *
 * COMMAND-1: each command is carried out at most once, whatever dies when: the execution that is asked is noted in the status before it is
 *     asked, and the Update's id follows from the uid of the object. A command never goes to a later run than the one that was open when it was
 *     looked at first, unless that one has closed without having accepted it.
 * COMMAND-2: level-triggered: what a bridge does follows from the objects, so a restart, a lost event or another leader changes nothing.
 * COMMAND-3: the commands of one group are carried out in the order in which they were created.
 * COMMAND-4: finished objects are removed after their time, and the oldest of more than {@link MOST_FINISHED} in a namespace at once.
 */
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_COMMAND_TTL, type ObjectName } from '../../api';
import { RESOURCES, WorkQueue, type ApiServer, type ResourceCache } from '../../kubernetes';
import type { RunRequest } from '../requests';
import type { Stamps } from '../stamps';
import { isFinished, type CommandActor, type CommandObject, type CommandStatus } from './command-object';
import type { CommandRuns } from './command-runs';
import { afterRun, nextStep, targetOf, type Sendable } from './next-step';

/** What {@link OperatorCommands} needs. */
export interface OperatorCommandsOptions {
  /** Its writes end with the leadership of this process. */
  api: ApiServer;
  commands: ResourceCache<CommandObject>;
  runs: CommandRuns;
  /** Absent: no admission webhook is there, and actors are claimed. */
  stamps?: Stamps;
  isLeader: () => boolean;
  /** Asks for a new run. Rejects with the reason why there is none. */
  ask: (request: RunRequest) => Promise<void>;
  onDone: (given: CommandObject, status: CommandStatus) => void;
  onError: (error: unknown, retryIn: number, group: ObjectName) => void;
}

/** Groups whose commands are carried out at the same time. */
const CONCURRENCY = 10;
/** Finished commands that are kept in a namespace. */
const MOST_FINISHED = 500;
/** Milliseconds between two looks at a command that waits. */
const PAUSE = 2_000;
/** Executions in a row that may close before one accepts a command; then it is retried later. */
const MOST_RUNS = 5;

const FIELD_MANAGER = 'vmgroup-bridge-commands';

/** The commands of a cluster. */
export class OperatorCommands {
  readonly #options: OperatorCommandsOptions;
  /** By `namespace/group`. */
  readonly #groups: WorkQueue;
  /** By namespace. */
  readonly #removals: WorkQueue;
  /** When each command was seen first, by the clock of running time, in order. */
  readonly #seenAt = new Map<string, number>();
  readonly #stopListening: () => void;
  #isStopped = false;

  constructor(options: OperatorCommandsOptions) {
    this.#options = options;
    this.#groups = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#carryOut(key),
      onError: (key, error, retryIn) => options.onError(error, retryIn, splitGroup(key)),
    });
    this.#removals = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (namespace) => this.#remove(namespace),
      onError: (namespace, error, retryIn) => options.onError(error, retryIn, { namespace, name: '' }),
    });
    this.#stopListening = options.commands.onChange(({ key, object }) => this.#changed(key, object));
  }

  /** This process leads from now on. */
  lead(): void {
    for (const [key, object] of this.#options.commands.entries()) this.#changed(key, object);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopListening();
    await Promise.all([this.#groups.stop(), this.#removals.stop()]);
  }

  #changed(key: string, object: CommandObject | undefined): void {
    if (!object) return void this.#seenAt.delete(key);
    if (!this.#seenAt.has(key)) this.#seenAt.set(key, performance.now());
    if (!this.#options.isLeader()) return;
    if (isFinished(object.stored)) this.#removals.add(object.namespace);
    else this.#groups.add(groupKey(object));
  }

  /** COMMAND-3. */
  async #carryOut(group: string): Promise<void> {
    const order = [...this.#seenAt.keys()];
    const open = [...this.#options.commands.entries()]
      .filter(([, object]) => groupKey(object) === group && !isFinished(object.stored))
      .sort(([a, one], [b, other]) => one.createdAt - other.createdAt || order.indexOf(a) - order.indexOf(b));
    for (const [key, object] of open) {
      if (!this.#options.isLeader()) return;
      const isDone = await this.#carryOutOne(key, { ...object, metadata: { ...object.metadata } });
      if (!isDone) return this.#groups.add(group, PAUSE);
    }
  }

  /** Resolves to whether there is an answer. */
  async #carryOutOne(key: string, command: CommandObject): Promise<boolean> {
    const seenFor = performance.now() - (this.#seenAt.get(key) ?? performance.now());
    const next = nextStep({ command, stamps: this.#options.stamps, seenFor, now: Date.now() });
    switch (next.step) {
      case 'None':
        return true;
      case 'Wait':
        await this.#note(command, { ...command.stored, message: next.message });
        return false;
      case 'Refuse':
        return this.#finish(command, { phase: 'Refused', message: next.message, ...statusOf(next.actor) });
      case 'Send':
        return this.#send(command, next.sendable);
    }
  }

  /** COMMAND-1. */
  async #send(command: CommandObject, sendable: Sendable): Promise<boolean> {
    const { runs } = this.#options;
    let stored: CommandStatus = { ...command.stored, ...statusOf(sendable.actor) };
    let closed = false;
    for (let tries = 0; tries < MOST_RUNS; tries += 1) {
      const isNoted = stored.runId !== undefined && !closed;
      const isAsking = isNoted && stored.runId?.startsWith(afterRun('')) === true;
      const last = isNoted && !isAsking ? undefined : await runs.last(sendable.group);
      const target = targetOf(sendable, stored, last, closed);
      if (target.to === 'NoRun')
        return this.#finish(command, { ...without(stored), phase: 'Refused', message: target.message });
      if (target.to === 'Started') return this.#finish(command, { ...stored, ...STARTED });
      const runId = target.to === 'Run' ? target.runId : afterRun(target.before);
      if (stored.runId !== runId || stored.phase !== 'Sending')
        stored = await this.#note(command, { ...without(stored), phase: 'Sending', runId });
      if (target.to === 'NewRun') return this.#askForRun(command, sendable, stored);
      const answer = await runs.send({ ...sendable, runId, command: sendable.argument });
      if (answer.type === 'Closed') {
        closed = true;
        continue;
      }
      if (answer.type === 'Waiting') {
        await this.#note(command, { ...stored, message: NO_WORKER });
        return false;
      }
      const phase = answer.type === 'NoAnswer' ? 'Failed' : answer.type;
      return this.#finish(command, { ...stored, phase, message: answer.message });
    }
    return false;
  }

  async #askForRun(
    command: CommandObject,
    { group, argument: { actor = '', reason, known, member } }: Sendable,
    stored: CommandStatus,
  ): Promise<boolean> {
    try {
      await this.#options.ask({
        ...group,
        actor,
        reason,
        ...(known && { known }),
        ...(member !== undefined && { member }),
      });
    } catch (error: unknown) {
      // The next leader carries the command out (COMMAND-2).
      if (this.#isStopped || !this.#options.isLeader()) return false;
      return this.#finish(command, {
        ...stored,
        phase: 'Refused',
        message: error instanceof Error ? error.message : String(error),
      });
    }
    return this.#finish(command, { ...stored, ...STARTED });
  }

  async #finish(command: CommandObject, status: CommandStatus): Promise<true> {
    const finished = { ...status, finishedAt: new Date().toISOString() };
    await this.#note(command, finished);
    this.#options.onDone(command, finished);
    return true;
  }

  /** Writes the status, unless it is there already. */
  async #note(command: CommandObject, status: CommandStatus): Promise<CommandStatus> {
    const { namespace, uid, metadata } = command;
    if (isDeepStrictEqual(status, command.stored)) return status;
    const { name, resourceVersion } = metadata;
    const written = { ...status, conditions: [completeCondition(command, status)] };
    const after = await this.#options.api.apply(
      RESOURCES.operatorCommands,
      {
        // What the cache does not know yet, of this process or a leader before, is a conflict.
        metadata: { namespace, name, uid, ...(resourceVersion !== undefined && { resourceVersion }) },
        status: written,
      },
      { fieldManager: FIELD_MANAGER, subresource: 'status' },
    );
    if (after.metadata.resourceVersion !== undefined)
      metadata.resourceVersion = after.metadata.resourceVersion;
    return status;
  }

  /** COMMAND-4. */
  async #remove(namespace: string): Promise<void> {
    const { commands, api, isLeader } = this.#options;
    const finished = [...commands.entries()]
      .map(([, object]) => ({ object, until: removalOf(object) }))
      .filter(({ object }) => object.namespace === namespace && isFinished(object.stored))
      .sort((a, b) => finishedAt(b.object) - finishedAt(a.object));
    const now = Date.now();
    const due = finished.filter(({ until }, at) => until <= now || at >= MOST_FINISHED);
    for (const { object } of due) {
      if (!isLeader()) return;
      const { uid, metadata } = object;
      await api.delete(RESOURCES.operatorCommands, { namespace, name: metadata.name, uid });
    }
    const next = Math.min(...finished.filter((each) => !due.includes(each)).map(({ until }) => until));
    if (next < Infinity) this.#removals.add(namespace, next - now);
  }
}

const NO_WORKER = 'no worker has answered yet: vmgroup doctor shows whether one polls';
const STARTED = {
  phase: 'Done',
  message: 'No run was open: a new one was asked for.',
} as const;

function statusOf(actor: CommandActor | undefined): Pick<CommandStatus, 'actor' | 'actorKnown'> {
  return actor ? { actor: actor.name, actorKnown: actor.known } : {};
}

function without({ message: _message, runId: _runId, ...status }: CommandStatus): CommandStatus {
  return status;
}

/** `Complete`, with the time at which it became what it is. */
function completeCondition(
  { createdAt }: CommandObject,
  { phase, message, finishedAt: at }: CommandStatus,
): object {
  return {
    type: 'Complete',
    status: at === undefined ? 'False' : 'True',
    reason: phase,
    message: message ?? '',
    lastTransitionTime: at ?? new Date(createdAt).toISOString(),
  };
}

function groupKey({ namespace, read }: CommandObject): string {
  return `${namespace}/${'spec' in read ? read.spec.group : ''}`;
}

function splitGroup(key: string): ObjectName {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

function finishedAt({ stored }: CommandObject): number {
  return Date.parse(stored.finishedAt ?? '') || 0;
}

/** When an object is to be removed, milliseconds since the epoch. */
function removalOf(object: CommandObject): number {
  const ttl = 'spec' in object.read ? object.read.spec.ttlSecondsAfterFinished : undefined;
  return finishedAt(object) + (ttl ?? DEFAULT_COMMAND_TTL) * 1_000;
}
