/** The stand-in for KubeVirt. */
export { KubevirtController, type KubevirtControllerOptions, type KubevirtDeed } from './controller';
export { kubevirtDefinitions } from './definitions';
export { FAULT, SHUTDOWN_TIME, START_TIME, type Fault } from './facts';
export { startSubresourceServer, type SubresourceServer } from './subresource-server';
