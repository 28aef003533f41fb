/** Groups as commands show them: their views, from a data folder or a cluster, and their text. */
export { noSuchGroup } from './cluster-views';
export { Estimates } from './estimates';
export { groupLines } from './group-lines';
export { commandLines, wrapped, type Detail, type Drawing } from './lines';
export { memberKeyOf } from './member-key';
export { PastRuns, readPast, type PastOptions } from './past-runs';
export { storedGroup } from './stored-group';
export { terminalDrawing } from './terminal-drawing';
export { groupName, needsNewRun, runTime } from './view';
export { followViews, loadTree, loadView, loadViews, noteIfStale, staleness, treeAround } from './views';
