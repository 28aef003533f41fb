/** Limits of every HTTP server. Times are milliseconds. */

const SECOND = 1_000;
const MIB = 2 ** 20;

/** Limits of one server. */
export interface HttpLimits {
  /** Open connections. Further ones are closed on arrival. */
  connections: number;
  /** Bytes of one request's body. */
  bodyBytes: number;
  /** Bytes of the bodies of all requests that are being answered. */
  allBodiesBytes: number;
  /** Bytes of a request line with all its headers. */
  headerBytes: number;
  /** Time for the headers to arrive, and for a TLS handshake. */
  headersTime: number;
  /** Time for a whole request to arrive. */
  requestTime: number;
  /** How long a connection stays open after an answer. */
  keepAlive: number;
  /** How long a connection may be silent, in both directions, while a request is being answered. */
  silence: number;
}

const COMMON = {
  headerBytes: 16 * 1024,
  headersTime: 5 * SECOND,
  requestTime: 5 * SECOND,
  silence: 150 * SECOND,
};

/** The limits of each server. */
export const HTTP_LIMITS = {
  /** `/healthz`, `/readyz` and `/metrics`: requests have no body. */
  health: { ...COMMON, connections: 256, bodyBytes: 0, allBodiesBytes: 0, keepAlive: 5 * SECOND },
  /** The page and its changes: requests have no body. A viewer keeps its connection for as long as it looks. */
  board: { ...COMMON, connections: 512, bodyBytes: 0, allBodiesBytes: 0, keepAlive: 5 * SECOND },
  /** A review holds the old and the new object, each as large as etcd allows (1.5 MiB). An API server keeps an idle connection for 90 s. */
  webhook: {
    ...COMMON,
    connections: 1_024,
    bodyBytes: 8 * MIB,
    allBodiesBytes: 128 * MIB,
    keepAlive: 120 * SECOND,
  },
  /** A request holds the payloads of one page of a history. */
  codec: {
    ...COMMON,
    connections: 256,
    bodyBytes: 16 * MIB,
    allBodiesBytes: 128 * MIB,
    keepAlive: 30 * SECOND,
  },
  /** Clients keep an idle connection for 30 s. */
  simulator: {
    ...COMMON,
    connections: 1_024,
    bodyBytes: 8 * MIB,
    allBodiesBytes: 128 * MIB,
    requestTime: 10 * SECOND,
    keepAlive: 65 * SECOND,
  },
} satisfies Record<string, HttpLimits>;
