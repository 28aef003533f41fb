/** What this run sends to other runs. The end of the run waits until it has arrived. */
import { getExternalWorkflowHandle, log } from '@temporalio/workflow';
import { own } from '../../api/own';
import {
  groupEnded,
  relay,
  workflowId,
  type EndSubscription,
  type OperatorCommand,
  type OperatorVerb,
} from '../../contract';
import { recordedCommand } from '../operator-commands';
import { membersOf, type Run } from '../state';

/** The signals that are on their way. */
export class OutgoingSignals {
  readonly #arrived: () => void;
  #open = 0;

  /** `arrived` is called after each one that has arrived or failed. */
  constructor(arrived: () => void) {
    this.#arrived = arrived;
  }

  /** Whether nothing is on its way. */
  get isEmpty(): boolean {
    return this.#open === 0;
  }

  /** Lets the end of the run wait for `promise`. */
  await(promise: Promise<void>, failed: (error: unknown) => void): void {
    this.#open += 1;
    promise.catch(failed).finally(() => {
      this.#open -= 1;
      this.#arrived();
    });
  }

  /** Relays a command that concerns a whole tree to the nested groups whose runs are asked at the moment. */
  relay(from: Run, verb: OperatorVerb, command: OperatorCommand): void {
    if (verb !== 'pause' && verb !== 'resume' && verb !== 'abort') return;
    const recorded = recordedCommand(verb, command, Date.now());
    for (const { key, member } of membersOf(from.plan)) {
      if (!member.plan || !own(from.members, key)?.operation) continue;
      this.await(
        getExternalWorkflowHandle(workflowId(from.plan.namespace, member.name)).signal(relay, recorded),
        (error) => log.warn('failed to relay a command to a nested group', { member: key, verb, error }),
      );
    }
  }

  /** Notifies the parent's run of the end of this one. */
  notifyOfEnd({ workflowId: parent, member, runId }: EndSubscription): void {
    this.await(getExternalWorkflowHandle(parent).signal(groupEnded, { member, runId }), (error) =>
      log.warn('failed to notify the parent of the end of this run', { parent, error }),
    );
  }
}
