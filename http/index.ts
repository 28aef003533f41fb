/** HTTP servers of vmgroup's processes. */
export { HTTP_LIMITS, type HttpLimits } from './limits';
export { HttpError, startHttpServer, type Exchange, type HttpServer, type HttpServerOptions } from './server';
