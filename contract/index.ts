/**
 * What workflows, activities, platforms, the bridge and the command send to each other. It imports only `api/`, so every folder may import it,
 * and so may code in the workflow sandbox.
 */
export * from './activities';
export * from './messages';
export * from './operator-commands';
export * from './outcome';
export * from './plan';
export * from './platform-calls';
export * from './progress';
export { searchAttributeKeys, SEARCH_ATTRIBUTE_TYPES } from './search-attributes';
export { platformTaskQueue, startOptions, RUNNING_PHASE, type StartOptions } from './start-options';
