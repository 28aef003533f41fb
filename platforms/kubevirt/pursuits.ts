/**
 * Carries out operations that need an action of KubeVirt in addition to their patch. next-call.ts decides what to ask for, each time from the current
 * versions; if KubeVirt refuses because something else is in progress, it decides again.
 *
 * KUBEVIRT-10: an operation is given up only once it needs no other action, or a newer one has taken over. What KubeVirt refuses again and again
 *     is shown in its words, and asked for less and less often.
 * KUBEVIRT-11: an operation whose action fails counts as failed at once, also for the next attempt, which then asks for the action itself: it does
 *     not wait for what nothing works on.
 */
import { doublingPause, KubernetesError, RESOURCES, type ApiServer } from '../../kubernetes';
import {
  OPERATION_ANNOTATION,
  operationText,
  platformError,
  resourceName,
  type NewestObjects,
} from '../on-kubernetes';
import { PlatformError, type FailureClass } from '../platform';
import type { Instances } from './instances';
import { mustBeNoted, nextCall, type KubevirtCall } from './next-call';
import type { KubevirtMachine } from './objects';
import { recordedOperationOf } from './record';

/** How this process stands with an operation. */
export interface Pursuit {
  /** Id of the operation. */
  id: string;
  hold?: string;
  failure?: { class: FailureClass; message: string };
  /** What KubeVirt said when it last refused the action, and how often it has refused one. */
  refusal?: string;
  refusals?: number;
}

/** What {@link Pursuits} works with. */
export interface PursuitsOptions {
  api: Pick<ApiServer, 'invoke'>;
  vms: NewestObjects<KubevirtMachine>;
  instances: Instances;
  /** What this process knows of an operation has changed. */
  changed: (key: string) => void;
}

/** Milliseconds before another try after a refusal; doubles with each further one. A change of the VM brings it forward. */
const PAUSE = 500;
const LONGEST_PAUSE = 15_000;

/** The operations of this process that are not carried through yet. */
export class Pursuits {
  readonly #options: PursuitsOptions;
  readonly #open = new Map<string, Pursuit>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #busy = new Set<string>();
  #closed = false;

  constructor(options: PursuitsOptions) {
    this.#options = options;
  }

  /** Of the operation of this id. */
  of(key: string, id: string): Pursuit | undefined {
    const pursuit = this.#open.get(key);
    return pursuit?.id === id ? pursuit : undefined;
  }

  /**
   * Takes an operation that is on record up. Resolves once its action was asked for, or has to wait.
   *
   * @throws PlatformError when KubeVirt refuses the action.
   */
  async take(key: string, id: string, signal?: AbortSignal): Promise<void> {
    const pursuit: Pursuit = { id };
    this.#open.set(key, pursuit);
    try {
      await this.#step(key, id, signal);
    } catch (error: unknown) {
      // Who gave it up has learned nothing of the operation.
      if (signal?.aborted) this.#end(key, id);
      else this.#failed(key, pursuit, error);
      throw error;
    }
  }

  /** A VM or its instance has changed. */
  noticed(key: string): void {
    const pursuit = this.#open.get(key);
    if (!pursuit || pursuit.failure || this.#closed) return;
    void this.#goOn(key, pursuit);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#open.clear();
  }

  async #goOn(key: string, pursuit: Pursuit): Promise<void> {
    try {
      await this.#step(key, pursuit.id);
    } catch (error: unknown) {
      this.#failed(key, pursuit, error);
    }
  }

  /** KUBEVIRT-11. */
  #failed(key: string, pursuit: Pursuit, error: unknown): void {
    const failure = error instanceof PlatformError ? error : new PlatformError('Transient', String(error));
    if (this.of(key, pursuit.id) !== pursuit) return;
    pursuit.failure = { class: failure.failureClass, message: failure.message };
    this.#options.changed(key);
  }

  /** One call at a time for a VM. */
  async #step(key: string, id: string, signal?: AbortSignal): Promise<void> {
    if (this.#busy.has(key)) return this.#later(key);
    this.#busy.add(key);
    try {
      await this.#decide(key, id, signal);
    } finally {
      this.#busy.delete(key);
    }
  }

  async #decide(key: string, id: string, signal: AbortSignal | undefined): Promise<void> {
    const vm = this.#options.vms.newest(key);
    const operation = vm && recordedOperationOf(vm);
    const pursuit = this.of(key, id);
    if (!pursuit) return;
    if (!vm || operation?.id !== id) return this.#end(key, id);
    const next = nextCall(vm, this.#options.instances.get(key), operation);
    if (next.type === 'None') return this.#end(key, id);
    if (next.type === 'Wait') {
      if (pursuit.hold === next.hold) return;
      pursuit.hold = next.hold;
      return this.#options.changed(key);
    }
    const refusal = await this.#call(vm, next, signal);
    if (refusal !== undefined) {
      this.#refused(key, pursuit, refusal);
      await this.#lookAgain(vm, signal);
      return this.#later(key, doublingPause(pursuit.refusals ?? 1, PAUSE, LONGEST_PAUSE));
    }
    if (!mustBeNoted(next)) return this.#end(key, id);
    await this.#note(vm, id, signal);
    delete pursuit.hold;
    // A VM that was paused may have to be stopped after that.
    return this.#decide(key, id, signal);
  }

  /** A refusal that stays is shown; one that passes is in the order of things. */
  #refused(key: string, pursuit: Pursuit, refusal: string): void {
    const stays = pursuit.refusal === refusal;
    pursuit.refusal = refusal;
    pursuit.refusals = (pursuit.refusals ?? 0) + 1;
    if (!stays || pursuit.hold === refusal) return;
    pursuit.hold = refusal;
    this.#options.changed(key);
  }

  /** Resolves to what KubeVirt says if something else is going on with the VM. */
  async #call(
    { metadata: { namespace = '', name } }: KubevirtMachine,
    { action, body }: KubevirtCall,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const onInstance = action === 'pause' || action === 'unpause';
    const resource = onInstance ? RESOURCES.kubevirtInstanceActions : RESOURCES.kubevirtMachineActions;
    try {
      await this.#options.api.invoke(resource, { namespace, name }, action, body, signal && { signal });
      return undefined;
    } catch (error: unknown) {
      if (isBusy(error)) return `KubeVirt refuses to ${action} it: ${error.message}`;
      throw actionError(error, resourceName(resource, action));
    }
  }

  async #lookAgain(vm: KubevirtMachine, signal: AbortSignal | undefined): Promise<void> {
    const { namespace = '', name, uid = '' } = vm.metadata;
    await this.#options.instances.look({ namespace, name }, signal);
    await this.#options.vms.fetch({ namespace, name, uid }, signal);
  }

  async #note(vm: KubevirtMachine, id: string, signal: AbortSignal | undefined): Promise<void> {
    const { namespace = '', name, uid = '' } = vm.metadata;
    await this.#options.vms.update<void>(
      { namespace, name, uid },
      this.#options.vms.newest(`${namespace}/${name}`),
      (version) => {
        const operation = version && recordedOperationOf(version);
        if (operation?.id !== id || operation.asked) return { type: 'Done', result: undefined };
        const text = operationText(uid, { ...operation, asked: true } as typeof operation);
        const { resourceVersion } = version?.metadata ?? {};
        return {
          type: 'Patch',
          patch: { metadata: { resourceVersion, annotations: { [OPERATION_ANNOTATION]: text } } },
          result: () => undefined,
        };
      },
      { what: 'record', signal },
    );
  }

  #later(key: string, pause: number = PAUSE): void {
    if (this.#closed) return;
    clearTimeout(this.#timers.get(key));
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.noticed(key);
    }, pause);
    this.#timers.set(key, timer.unref());
  }

  #end(key: string, id: string): void {
    if (this.of(key, id)) this.#open.delete(key);
    this.#options.changed(key);
  }
}

/** Whether virt-api says that something else is going on with the VM. A request that waits is an internal error to it. */
function isBusy(error: unknown): error is KubernetesError {
  if (!(error instanceof KubernetesError)) return false;
  return error.isConflict || error.code === 422 || /already underway/.test(error.message);
}

/** Refusals of virt-api that are not about the request: it cannot reach the node of the VM. */
function actionError(error: unknown, what: string): PlatformError {
  if (error instanceof KubernetesError) {
    const { code, message } = error;
    const isUnreachable = code === 404 || (code === 400 && /virt-handler/i.test(message));
    const options = { cause: error };
    if (isUnreachable) return new PlatformError('Transient', message, undefined, options);
    if (code === 403 && /LivenessProbe/.test(message))
      return new PlatformError('Permanent', message, undefined, options);
  }
  return platformError(error, 'update', what);
}
