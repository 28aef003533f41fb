/**
 * The operator who asked for a force sync. `nextForcePowerStateSyncTime` has no field for that, so actor and reason are annotations of the
 * group, written in one request with it. Pure.
 *
 * ASKER-1: an operator is never named for another one's sync. The annotations name the revision that their own write creates, so they say
 *     nothing once the spec was written again, and nothing in a copy of the object.
 * ASKER-2: an operator is not named for a sync that was sent already.
 */
import { ASKED_FOR_ANNOTATION, type Group } from '../../api';
import { treeOf, type ManifestIndex } from '../manifests';
import { forceSyncToken } from '../plans';

/** Who asks for a run, and why. */
export interface Asker {
  actor: string;
  reason: string;
  /** An API server has authenticated the actor. */
  known?: true;
}

const BY = 'vmgroup.dev/asked-by';
const BECAUSE = 'vmgroup.dev/asked-because';

/** Longest actor and reason that are recorded, in characters. */
const LONGEST = 1000;

/** The annotations for a write of `nextForcePowerStateSyncTime` into a group that has this uid and generation now. */
export function askerAnnotations(
  { actor, reason }: Asker,
  { uid = '', generation = 0 }: { uid?: string; generation?: number },
): Record<string, string> {
  return { [BY]: actor, [BECAUSE]: reason, [ASKED_FOR_ANNOTATION]: `${uid}:${generation + 1}` };
}

/**
 * Who asked for the force sync that was not sent to a driver's run yet: for the driver, or else for a group below it.
 *
 * @param sent Every token that was sent, as in {@link SentPlan}; undefined: that is not known.
 */
export function syncAsker(index: ManifestIndex, driver: Group, sent: string | undefined): Asker | undefined {
  // Without it, nothing tells whether the tokens of the groups below are new.
  const groups = sent === undefined ? [driver] : treeOf(index, driver);
  const tokens = new Set(sent?.split(/[ ;]/));
  for (const group of groups) {
    const token = forceSyncToken(group);
    const asker = token === undefined || tokens.has(token) ? undefined : askerOf(group);
    if (asker) return asker;
  }
  return undefined;
}

/** The operator that the annotations name, if they are about this revision (ASKER-1). */
function askerOf({ annotations, uid, generation }: Group): Asker | undefined {
  const { [BY]: actor = '', [BECAUSE]: reason = '', [ASKED_FOR_ANNOTATION]: written } = annotations;
  if (written !== `${uid}:${generation}` || actor === '' || reason === '') return undefined;
  return { actor: actor.slice(0, LONGEST), reason: reason.slice(0, LONGEST) };
}
