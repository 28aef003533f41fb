/** The process of `vmgroup codec`. */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { printLine, printNote } from '../output';
import { LOG_FORMAT, logTo, stopSignal, untilStopped } from '../runtime';

/** Options of `codec`. */
export interface CodecOptions {
  /** Path of the folder of keys. */
  keys: string;
  port: number;
  host: string;
  uiOrigin: string[];
  /** Path of a file. */
  tokenFile?: string;
}

/** Shortest token, characters: one that cannot be guessed. */
const SHORTEST_TOKEN = 16;

/**
 * Serves until Ctrl-C.
 *
 * @throws CliError if the keys or the token cannot be read, or the server does not start.
 */
export async function runCodec(options: CodecOptions): Promise<void> {
  const { keys, port, host, uiOrigin: origins, tokenFile } = options;
  const signal = stopSignal();
  const logger = pino(LOG_FORMAT, logTo(2));
  const { payloadCodec, startCodecServer } = lazy.encryption();
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  const server = await Promise.resolve()
    .then(() =>
      startCodecServer({
        codec: payloadCodec(keys),
        port,
        host,
        origins,
        ...(token !== undefined && { token }),
        onError: (error) => logger.error({ err: error }, 'failed to answer a request'),
      }),
    )
    .catch((error: unknown) => {
      throw new CliError(`the codec server did not start: ${messageOf(error)}`, [], { cause: error });
    });
  printLine(`http://${server.address}`);
  printNote(`codec server for pages of ${origins.join(', ')}; Ctrl-C stops it`);
  await untilStopped(signal);
  await server.close();
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error: unknown) {
    throw new CliError(`failed to read the token: ${messageOf(error)}`, [], { cause: error });
  }
  if (token.length >= SHORTEST_TOKEN) return token;
  throw new CliError(`the token in ${file} is shorter than ${SHORTEST_TOKEN} characters`, [
    `make one: openssl rand -hex 32 > ${file}`,
  ]);
}
