/** Groups as `insight/` knows them, made from runs that the planner drives. */
import type { KnownGroup } from '../../insight';
import { membersOf } from '../../workflows/state';
import { progressOf } from '../../workflows/progress';
import type { World } from '../workflows/world';

/** The group of a world's run, with the conditions that its VMs have there. */
export function knownGroup(world: World, over: Partial<KnownGroup> = {}): KnownGroup {
  const { run } = world;
  if (!run) throw new Error('no run');
  const { namespace, name, powerState } = run.plan;
  const progress = progressOf(run, world.outcome);
  const members = membersOf(run.plan).map(({ key, member }) => {
    const isMet = run.members[key]?.phase === 'Done' && run.members[key]?.word === undefined;
    const state = world.states[member.name];
    return {
      name: member.name,
      kind: member.kind,
      ...(state !== undefined && { powerState: state }),
      conditions: [condition('PowerStateSynced', isMet, `${key} is ${state}`)],
    };
  });
  return {
    metadata: { namespace, name },
    spec: { ...(powerState !== 'Unchanged' && { powerState }) },
    status: { members, conditions: [] },
    phase: progress.phase,
    message: progress.message,
    run: { workflowId: `vmgroup/${namespace}/${name}`, runId: 'run', startedAt: run.startedAt, progress },
    ...over,
  };
}

/** A condition that became so at the epoch. */
export function condition(
  type: string,
  isMet: boolean,
  message: string,
  reason = 'Pending',
): KnownGroup['status']['conditions'][number] {
  const status = isMet ? 'True' : 'False';
  return { type, status, reason, message, lastTransitionTime: '1970-01-01T00:00:00Z' };
}
