/** What becomes of calls to Temporal that a closed connection is left with. */
import { InterceptingCall, Metadata, status as grpcStatus, type Interceptor } from '@grpc/grpc-js';

/** What an interceptor gets from the next one; the library does not export the name. */
type Call = ConstructorParameters<typeof InterceptingCall>[0];

/**
 * Lets calls through until the connection is closed. Those that begin, or are tried again, afterwards fail as cancelled. Stands after the
 * interceptor that retries: that one calls from a timer, where the error of a closed channel would end the process.
 */
export class ClosedConnection {
  #isClosed = false;

  /** To be called before the connection is closed. */
  close(): void {
    this.#isClosed = true;
  }

  readonly interceptor: Interceptor = (options, next) =>
    new InterceptingCall(this.#isClosed ? CANCELLED_CALL : next(options));
}

const CANCELLED_CALL: Call = {
  start: (_metadata, listener) => {
    // As from any call without an answer, an empty message comes before the status.
    listener?.onReceiveMessage?.(null);
    listener?.onReceiveStatus?.({
      code: grpcStatus.CANCELLED,
      details: 'the connection to Temporal is closed',
      metadata: new Metadata(),
    });
  },
  sendMessage: () => undefined,
  sendMessageWithContext: () => undefined,
  startRead: () => undefined,
  halfClose: () => undefined,
  cancelWithStatus: () => undefined,
  getPeer: () => '',
  getAuthContext: () => null,
};
