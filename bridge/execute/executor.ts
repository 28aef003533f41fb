/** Carries out what a pass decided about groups. */
import pMap from 'p-map';
import type { Group, ObjectName } from '../../api';
import { groupObject } from '../events';
import { objectKey, type ObjectKey } from '../manifests';
import type { GroupMemory } from '../observed';
import type { Ownership } from '../ownership';
import {
  inheritances,
  missedEnds,
  type DriverStep,
  type LookUp,
  type TreeFacts,
  type TreeSteps,
} from '../pass';
import type { GroupRuns } from '../runs';
import type { Announce } from './announcer';

/** What {@link Executor} works with. */
export interface ExecutorOptions {
  runs: GroupRuns;
  memory: GroupMemory;
  ownership?: Ownership;
  announce: Announce;
}

/** Groups that are looked up or claimed at once, at most. */
export const CONCURRENCY = 20;

/** Each method rejects if Temporal or the API server does not answer; doing it again is harmless. */
export class Executor {
  readonly #options: ExecutorOptions;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  async lookUpRuns(due: readonly LookUp[]): Promise<void> {
    const { runs, memory } = this.#options;
    const lookUp = async (each: LookUp): Promise<void> => {
      await runs.lookUp(each.group);
      memory.noteLookUp(objectKey(each.group), each, runs.get(each.group)?.phase === 'Open');
    };
    await pMap(due, lookUp, { concurrency: CONCURRENCY });
  }

  /** Makes sure that a group cannot be deleted before it is released; resolves to whether that is so. */
  async claim(group: Group): Promise<boolean> {
    return (await this.#options.ownership?.claim(group)) ?? true;
  }

  /** Sends a driver's run what was decided, unless it has to wait. */
  async drive({ driver, asked, decision, sendIn }: DriverStep): Promise<void> {
    if (!decision) return;
    const { runs, memory, announce } = this.#options;
    const key = objectKey(driver);
    memory.noteRefusal(key, decision);
    const { send, sent, why } = decision;
    if (!send) {
      const run = runs.get(driver);
      if (sent) memory.keepSent(key, { ...sent, ...(run && run.phase !== 'None' && { runId: run.runId }) });
      if (decision.tooLarge) memory.requests.drop(key, why);
      return;
    }
    if (sendIn > 0) return;
    const runId = await runs.send(send);
    memory.pace.sent(key);
    if (sent) memory.keepSent(key, { ...sent, runId });
    const isDrift = send.cause === 'Drift';
    announce({
      type: isDrift ? 'Warning' : 'Normal',
      reason: isDrift ? 'DriftSeen' : 'PlanSent',
      object: groupObject(driver),
      message: `${send.cause}: ${why}`,
    });
    if (asked) memory.requests.sent(key, asked);
  }

  /** Has a driver's run that was ended from outside cleared up after. Call it once that end is shown: the next run takes its place. */
  async cleanUp({ driver, decision }: DriverStep): Promise<void> {
    if (!decision?.cleanUp) return;
    const { runs, memory } = this.#options;
    const runId = await runs.cleanUp(decision.cleanUp);
    if (decision.sent && runId !== undefined) memory.keepSent(objectKey(driver), { ...decision.sent, runId });
  }

  async withdraw(group: ObjectName, reason: string): Promise<void> {
    await this.#options.runs.withdraw(group, reason);
  }

  /** Tells the run of a group of activities that were paused or unpaused. */
  async reportPauses(group: ObjectName): Promise<void> {
    await this.#options.runs.reportPauses(group);
  }

  /** Tells the runs of a tree of nested runs that have ended without notifying them. */
  async reportEnds(facts: TreeFacts): Promise<void> {
    for (const { parent, end } of missedEnds(facts)) await this.#options.runs.reportEnd(parent, end);
  }

  /** Puts on the objects of a tree what they are to carry. */
  async mark(facts: TreeFacts, steps: TreeSteps): Promise<void> {
    const { ownership } = this.#options;
    if (!ownership) return;
    for (const group of facts.tree)
      await ownership.own(group, facts.groups.get(objectKey(group))?.tiers ?? []);
    for (const { group, powerState } of inheritances(facts, steps)) {
      await ownership.inherit(group, powerState);
    }
  }

  /** Ends the run of a deleted group, and releases the group, unless it exists again (`isBack`). Resolves to whether it was released. */
  async release(group: ObjectName, isBack: () => boolean): Promise<boolean> {
    const { runs, memory, ownership } = this.#options;
    const key: ObjectKey = objectKey(group);
    if (!runs.get(group)) await runs.lookUp(group);
    await runs.withdraw(group, 'the group was deleted');
    if (isBack()) return false;
    await ownership?.release(group);
    // An open run that has not taken the signal yet is followed to its end; otherwise it would be found and withdrawn again.
    if (runs.get(group)?.phase !== 'Open') runs.forget(group);
    memory.forget(key);
    return true;
  }
}
