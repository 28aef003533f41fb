/** HTTP servers of vmgroup's processes. */
export { HTTP_LIMITS } from './limits';
export { HttpError, startHttpServer, type Exchange, type HttpServer } from './server';
