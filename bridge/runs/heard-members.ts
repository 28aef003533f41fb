/** Since when the bridge knows what an open run says of its members. */
import type { PowerState } from '../../api';
import type { MemberKey, MemberPhase, Progress } from '../../contract';

/** What a run says of one member. */
export interface HeardMember {
  phase: MemberPhase;
  /** Since when it has been in this phase, as the run says. */
  since: number;
  /** The power state that the run has observed, and the platform's version of it. */
  powerState?: PowerState;
  version?: string;
  /** When the bridge heard that first, in milliseconds of its process's own clock. */
  heardAt: number;
}

/** What an answer that came at `now` says of each member. What an earlier one has said already keeps its time. */
export function hear(
  before: ReadonlyMap<MemberKey, HeardMember> | undefined,
  progress: Progress,
  now: number,
): ReadonlyMap<MemberKey, HeardMember> {
  return new Map(
    progress.members.map(({ member, phase, since, powerState, version }) => {
      const known = before?.get(member);
      const isKnown = known?.phase === phase && known.since === since && known.version === version;
      const said = {
        phase,
        since,
        ...(powerState && { powerState }),
        ...(version !== undefined && { version }),
      };
      return [member, { ...said, heardAt: isKnown ? known.heardAt : now }];
    }),
  );
}
