/** Groups as commands show them: their views, from a data folder or a cluster, and their text. */
export { noSuchGroup } from './cluster-views';
export { groupLines } from './group-lines';
export type { Detail } from './lines';
export { storedGroup, type StoredGroup } from './stored-group';
export { groupName, needsNewRun, runTime } from './view';
export { followViews, loadView, loadViews, noteIfStale } from './views';
