/** Temporal's command line tool, and the server of `vmgroup up` that it runs. */
export { freePort } from './ports';
export { findTemporalCli, versionOf } from './temporal-cli';
export { startTemporalServer, stopOrphan } from './temporal-server';
