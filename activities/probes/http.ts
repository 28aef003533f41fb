/**
 * Probes by an HTTP request.
 *
 * HTTP-PROBE-1: the worker contacts the named host and port and no other: it follows no redirect and uses no proxy, whatever the environment says.
 * HTTP-PROBE-2: of an answer it reads the status line and headers, at most 16 KiB, and no body; of informational answers before it (1xx) at most
 *     {@link MOST_INFORMATIONAL}.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { HttpGetProbe } from '../../api';
import { readCaFile } from './ca-file';

/** Bytes of the status line and the headers of an answer. */
const MOST_HEADER_BYTES = 16 * 1024;
/** A guest that sends them without end would occupy the worker until the probe times out. */
const MOST_INFORMATIONAL = 10;

/**
 * Resolves with the status of the answer.
 *
 * @throws Error of the request; the reason of `signal` once it aborts.
 */
export async function probeHttp(
  host: string,
  probe: HttpGetProbe,
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<number> {
  const options = { ...optionsOf(host, probe), lookup, signal };
  if (probe.scheme === 'HTTP') return statusOf(httpRequest({ ...options, agent: new HttpAgent() }));
  const { caFile, serverName, insecureSkipVerify } = probe.tls ?? {};
  const ca = caFile === undefined ? undefined : await readCaFile(caFile);
  return statusOf(
    httpsRequest({
      ...options,
      agent: new HttpsAgent(),
      rejectUnauthorized: insecureSkipVerify !== true,
      // An address cannot be asked for by name: the certificate must have it.
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      ...(ca !== undefined && { ca }),
    }),
  );
}

function optionsOf(host: string, { port, path, headers = [] }: HttpGetProbe): RequestOptions {
  const given = new Map(headers.map(({ name, value }) => [name.toLowerCase(), [name, value] as const]));
  if (!given.has('user-agent')) given.set('user-agent', ['User-Agent', 'vmgroup-probe']);
  return {
    method: 'GET',
    host,
    port,
    path,
    headers: { ...Object.fromEntries(given.values()), Connection: 'close' },
    maxHeaderSize: MOST_HEADER_BYTES,
  };
}

/** HTTP-PROBE-2. */
function statusOf(request: ClientRequest): Promise<number> {
  let informational = 0;
  return new Promise((resolve, reject) => {
    request
      .on('information', () => {
        informational += 1;
        if (informational > MOST_INFORMATIONAL)
          request.destroy(new Error('informational answers (1xx) without end'));
      })
      .once('response', (response) => {
        resolve(response.statusCode ?? 0);
        response.on('error', () => undefined).destroy();
      })
      // A guest that would speak another protocol, which no probe asks for.
      .once('upgrade', (response, socket) => {
        resolve(response.statusCode ?? 0);
        socket.on('error', () => undefined).destroy();
      })
      .on('error', reject)
      .end();
  });
}
