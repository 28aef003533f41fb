/**
 * What carries libvirt's RPC to a host: a Unix socket, ssh, or TLS.
 *
 * LIBVIRT-6: nothing of a setting is read by a shell or as an option of ssh.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { TimeLimit } from '../../../limits';
import { ConnectionError } from './client';

/** How a host is reached. */
export type Transport =
  /** The first of these sockets that takes connections. */
  | { type: 'Socket'; paths: readonly string[] }
  /** `[USER@]HOST`, where `virt-ssh-helper` is installed. `uri` names the driver there. */
  | { type: 'Ssh'; host: string; uri: string }
  /** Files are read at each connection. */
  | { type: 'Tls'; host: string; port: number; caFile: string; certFile: string; keyFile: string };

/** Milliseconds in which a connection is made. */
const OPENING = 30_000;
/** Characters of the errors of ssh that are kept. */
const SSH_WORDS = 500;

/** Connects. @throws ConnectionError, or the reason of `signal` */
export async function openTransport(transport: Transport, signal: AbortSignal): Promise<Duplex> {
  const limit = new TimeLimit(OPENING, signal);
  try {
    if (transport.type === 'Ssh') return openSsh(transport);
    return await (transport.type === 'Socket'
      ? openSocket(transport.paths, limit.signal)
      : openTls(transport, limit.signal));
  } catch (error: unknown) {
    signal.throwIfAborted();
    if (error instanceof ConnectionError) throw error;
    const timedOut = limit.isOver ? `no connection within ${OPENING / 1_000} s` : undefined;
    const message = timedOut ?? (error instanceof Error ? error.message : String(error));
    throw new ConnectionError(message, { cause: error });
  } finally {
    limit.end();
  }
}

async function openSocket(paths: readonly string[], signal: AbortSignal): Promise<Duplex> {
  let first: unknown;
  for (const path of paths) {
    const socket = connect({ path });
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error: unknown) {
      socket.destroy();
      signal.throwIfAborted();
      first ??= error;
    }
  }
  throw first instanceof Error ? first : new Error('no socket is named');
}

/** ssh asks nothing: it has a key, or fails. */
function openSsh({ host, uri }: { host: string; uri: string }): Duplex {
  const options = ['-T', '-e', 'none', '-o', 'BatchMode=yes', '-o', `ConnectTimeout=${OPENING / 1_000}`];
  const child = spawn('ssh', [...options, '--', host, 'virt-ssh-helper', `'${uri}'`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return duplexOf(child);
}

/** The stdin and stdout of a child process; its end is an error with its last words. */
function duplexOf(child: ReturnType<typeof spawn>): Duplex {
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw new ConnectionError('the process has no pipes');
  let words = '';
  stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString('utf8')).slice(-SSH_WORDS)));
  const duplex = new Duplex({
    read: () => void stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => void stdin.write(chunk, (error) => done(error ?? null)),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  stdin.on('error', () => undefined);
  stdout.on('data', (chunk: Buffer) => {
    if (!duplex.push(chunk)) stdout.pause();
  });
  child.on('error', (error) => duplex.destroy(new ConnectionError(error.message)));
  child.on('close', (code) => {
    // ssh ends its lines as a terminal wants them.
    const line = words.trim().replace(/\s+/g, ' ');
    const said = line === '' ? `it ended with ${code ?? 'a signal'}` : line;
    duplex.destroy(new ConnectionError(`ssh: ${said}`));
  });
  return duplex;
}

async function openTls(
  { host, port, caFile, certFile, keyFile }: Extract<Transport, { type: 'Tls' }>,
  signal: AbortSignal,
): Promise<Duplex> {
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readFile(file)));
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ host, port, ca, cert, key, ...servername });
  try {
    await once(socket, 'secureConnect', { signal });
    // The daemon verifies our certificate, and then says so with one byte.
    const verdict = await firstByte(socket, signal);
    if (verdict !== 1) throw new ConnectionError('the daemon does not accept our certificate');
    return socket;
  } catch (error: unknown) {
    socket.destroy();
    throw error;
  }
}

async function firstByte(socket: Duplex, signal: AbortSignal): Promise<number | undefined> {
  for (;;) {
    const bytes = socket.read(1) as Buffer | null;
    if (bytes) return bytes[0];
    if (socket.readableEnded || socket.destroyed) return undefined;
    const ended = once(socket, 'close', { signal }).catch(() => undefined);
    await Promise.race([once(socket, 'readable', { signal }), ended]);
  }
}
