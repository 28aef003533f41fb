/** Decides what is sent to the run of a driver. */
export { chooseSend } from './choose-send';
export type { DriverFacts, SendDecision, SentPlan, UnmetMember } from './decision';
