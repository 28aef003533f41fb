/** The worker process: connection, bundle, logging, metrics, health, shutdown. */
export * from './connection';
export { MOST_ESTIMATED, showExpectedEnds } from './expected-ends';
export * from './health';
export { runLogFields } from './log-fields';
export * from './pollers';
export * from './replay';
export * from './run-metrics';
export * from './search-attributes';
export * from './start-worker';
export { showStates, type KnownStates } from './state-metrics';
