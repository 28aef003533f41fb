/** Carries out what passes decide: messages to runs, marks on objects, views, events. */
export { announcer, reachability, type Announce, type BridgeLogger } from './announcer';
export { errorText } from './error-text';
export { CONCURRENCY, Executor } from './executor';
export { ShownViews } from './shown-views';
export { logFields, type LogKnowledge } from './log-fields';
