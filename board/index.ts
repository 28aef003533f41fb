/** One page that shows a failover: live as a board, and as a report in one file. */
export type { BoardInput } from './page/board-page';
export { boardPage } from './page/board-page';
export type { Freshness, Page } from './page/page';
export { boardDocument, renderMain, reportDocument } from './render';
export {
  chosenRun,
  failoverOf,
  recordedPastRun,
  reportPage,
  runsBefore,
  timelineOf,
  type Failover,
  type ReportInput,
  type RunTimeline,
} from './report';
export { boardReader, type BoardSource } from './server/board-reader';
export { startBoard, type BoardServer, type BoardServerOptions } from './server/board-server';
