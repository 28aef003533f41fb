/** Connections to Temporal and to the API server. */
export { callCluster, connectCluster, FIELD_MANAGER, listIfServed, listObjects } from './cluster';
export { connectTemporal, findTarget, isTemporalNamed, namedTarget, withTemporalClient } from './temporal';
