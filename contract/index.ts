/**
 * What workflows, activities, platforms, bridge and command say to each other. It imports `api/` alone, so that everything may import it,
 * the workflow sandbox included.
 */
export * from './activities';
export * from './messages';
export * from './operator-commands';
export * from './outcome';
export * from './plan';
export * from './platform-calls';
export * from './progress';
export { searchAttributeKeys } from './search-attributes';
export { startOptions, RUNNING_PHASE, type StartOptions } from './start-options';
