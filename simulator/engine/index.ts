/**
 * The simulated platform as a state machine. Its state is the fold of its journal ({@link apply}); pure functions of the state, the time and
 * a call give the next entry. No clock, no disk, and only repeatable chance.
 *
 * PLATFORM-1: an operation id that was accepted once has one effect at most.
 * PLATFORM-2: a smaller sequence than one seen for that VM is refused.
 * PLATFORM-4: only a reservation is released, and only by the caller that placed it last; an earlier call for placement is refused afterwards.
 * ENGINE-1: of two operations on a VM only the later one takes effect, also when it arrived in the middle of the other.
 * ENGINE-2: the VMs on a host never exceed its `cpus` and `memory`; the reservation lasts as long as the VM exists, on or off.
 * ENGINE-3: no VM is placed where a required rule of its own, or of a VM that is there, would be broken.
 */
export { consoleChange, consoleFailure, deletion, dueAt, dueEffects } from './effects';
export { apply } from './fold';
export { answerPlace, type EnginePlaceOptions } from './place';
export { placementProblem, placementVm } from './placing';
export { answerPower, type EnginePowerRequest } from './power';
export { answerQuestion } from './questions';
export { answerRelease } from './release';
export { reportGuest, reportState, reportVm } from './report';
export { acceptedOperations, emptyState, find, keyOf, type EngineState, type VmRecord } from './state';
