/** Digests that identify plans and desired states. Pure. */
import { createHash } from 'node:crypto';
import { desireOf, type Plan } from '../../contract';

/** Identifies a plan: a hash of everything in it except what was observed. Newer builds may put more into a plan. */
export function planDigest(plan: Plan): string {
  return hash(desireOf(plan));
}

/**
 * Identifies the desired state and membership of a tree: a hash of its groups' revisions and power states, and of its members. It is the same
 * in every build, and does not depend on policies, classes, labels and VMs of other groups.
 */
export function wantsDigest(plan: Plan): string {
  return hash(JSON.stringify(wantsOf(plan)));
}

function wantsOf({ uid, revision, powerState, tiers }: Plan): unknown[] {
  const members = tiers.flatMap((tier) =>
    tier.members.map(({ kind, name, uid, link, plan }) => [kind, name, uid, link, plan && wantsOf(plan)]),
  );
  return [uid, revision, powerState, members];
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
