/** From desired state to the plan of each run. */
export { excusedMembers, isSameDesired, planDigest, wantsDigest } from './desired';
export {
  forceSyncToken,
  plansOf,
  resolvePlan,
  resolveQuorum,
  resolveTiers,
  resolveTrees,
  type ResolvedMember,
  type ResolvedTier,
  type World,
} from './resolve';
