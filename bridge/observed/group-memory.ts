/** What the bridge remembers of each group from one pass to the next. */
import type { ObjectKey } from '../manifests';
import type { LookUp } from '../pass';
import type { SendDecision, SentPlan } from '../reconcile';
import { PendingRequests } from '../requests';
import { SendPace } from './send-pace';

/** Why a process that does not lead takes and keeps no request. */
export const OTHER_LEADS = 'another bridge leads now';

/** By the key of the group. */
export class GroupMemory {
  /** Operators' requests for runs that were not sent yet, by driver. */
  readonly requests = new PendingRequests();
  readonly pace = new SendPace();
  readonly #sent = new Map<ObjectKey, SentPlan>();
  readonly #lookedUpFor = new Map<ObjectKey, string>();
  /** When an open run was first seen to refuse its plan, by the process's own clock. */
  readonly #refusedAt = new Map<ObjectKey, number>();

  /** What was sent to a group's run last. */
  sent(key: ObjectKey): SentPlan | undefined {
    return this.#sent.get(key);
  }

  keepSent(key: ObjectKey, sent: SentPlan): void {
    this.#sent.set(key, sent);
  }

  /** {@link LookUp.asState} of each nested group when its run was looked up last. */
  get lookedUpFor(): ReadonlyMap<ObjectKey, string> {
    return this.#lookedUpFor;
  }

  /** The run of a group was looked up. `isOpen`: an open one was found. */
  noteLookUp(key: ObjectKey, { asState, isStarting }: LookUp, isOpen: boolean): void {
    // The parent may start it a moment later.
    if (isStarting && !isOpen) this.#lookedUpFor.delete(key);
    else this.#lookedUpFor.set(key, asState);
  }

  /** For how many milliseconds an open run has been refusing its plan. */
  refusedFor(key: ObjectKey): number | undefined {
    const since = this.#refusedAt.get(key);
    return since === undefined ? undefined : performance.now() - since;
  }

  noteRefusal(key: ObjectKey, { refused }: SendDecision): void {
    if (!refused) this.#refusedAt.delete(key);
    else if (!this.#refusedAt.has(key)) this.#refusedAt.set(key, performance.now());
  }

  /** The group was deleted. */
  forget(key: ObjectKey): void {
    for (const memory of [this.#lookedUpFor, this.#sent, this.#refusedAt]) memory.delete(key);
    this.pace.forget(key);
    this.requests.drop(key, `group ${key} was deleted`);
  }

  /** Another process leads: what this one knows of runs becomes stale, and the requests are for that process to send. */
  stepDown(): void {
    this.#lookedUpFor.clear();
    this.#refusedAt.clear();
    this.requests.dropAll(OTHER_LEADS);
  }
}
