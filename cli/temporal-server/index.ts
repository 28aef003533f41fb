/** Temporal's command line tool, and the server of `vmgroup up` that it runs. */
export { freePort } from './ports';
export { findTemporalCli, TEMPORAL_CLI_VARIABLE, versionOf } from './temporal-cli';
export { startTemporalServer, stopOrphan } from './temporal-server';
