/** One page that shows a failover live. */
export type { BoardInput } from './page/board-page';
export { boardPage } from './page/board-page';
export type { Freshness, Page } from './page/page';
export { boardDocument, renderMain } from './render';
export { boardReader, type BoardSource } from './server/board-reader';
export { startBoard, type BoardServer, type BoardServerOptions } from './server/board-server';
