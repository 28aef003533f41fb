/** The phase of each member. Pure. */
import { own } from '../../api/own';
import type { PlanMember } from '../../contract';
import { membersOf, type MemberState, type Run } from '../state';
import { isReached } from './members';

/** Brings each member's phase up to date. */
export function updatePhases(run: Run, now: number): void {
  const released: Record<number, true> = {};
  for (const stage of run.stages) {
    if (stage.releasedAt !== undefined) for (const index of stage.tiers) released[index] = true;
  }
  for (const { key, member, index } of membersOf(run.plan)) {
    const state = own(run.members, key);
    if (!state) continue;
    const phase = memberPhase(state, member, released[index] === true);
    if (phase !== state.phase) run.members[key] = { ...state, phase, since: now };
  }
}

function memberPhase(state: MemberState, member: PlanMember, released: boolean): MemberState['phase'] {
  if (state.word) return state.word.verb === 'skipMember' ? 'Skipped' : 'Done';
  if (state.leftAlone) return 'LeftAlone';
  if (state.parked) return 'Parked';
  if (state.operation) return 'InProgress';
  if (member.link !== 'Linked') return 'Missing';
  if (isReached(state)) return 'Done';
  return released ? 'Queued' : 'Pending';
}
