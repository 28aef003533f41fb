/** From desired state to the plan of each run. Pure. */
export { planDigest, wantsDigest } from './digest';
export { excusedMembers, isSameDesired } from './exceptions';
export { forceSyncToken } from './force-sync';
export { resolveQuorum } from './plan';
export { plansOf, resolvePlan, resolveTrees } from './resolve';
export { hasMember, resolveTiers, type ResolvedMember, type ResolvedTier } from './tiers';
export type { World } from './world';
