/** The status of groups on their objects: what is written, how large it may be, and when. */
export { loadViews, type LoadViewsOptions } from './load-views';
export { readMembers } from './read-status';
export { statusDigest } from './status-digest';
export { kubernetesStatusStore, type KubernetesStatusStore } from './status-store';
export { viewOfObject } from './stored-status';
