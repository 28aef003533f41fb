/** What is known of runs, explained: what holds a member, and how long it will take. Pure. */
export { estimate, type Estimate, type Expected } from './estimate';
export { cureText, healthFindings, type HealthFinding } from './health-findings';
export {
  attemptText,
  failureText,
  holdOf,
  leftAloneText,
  memberCommands,
  parkedText,
  pausedActivity,
  shortName,
  type Hold,
} from './hold';
export { nameOf, openProgress, type KnownGroup, type KnownMember } from './known-group';
export { pastRunOf, spread, type PastRun, type Spread } from './past-run';
export { livePollers } from './pollers';
export type { FailingWorkflowTask, PausedActivity, RunHealth, UnservedPlatform } from './run-health';
export { treesOf, type PlacedGroup } from './trees';
export { LONGEST_CHAIN, whyGroup, whyMember, type Surroundings, type Why } from './why';
