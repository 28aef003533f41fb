/** A Unix socket in front of a libvirt daemon, for tests to injure what goes through it. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { FrameReader, MESSAGE_TYPES, writeFrame, type Frame } from '../../platforms/libvirt/rpc/frames';
import type { Line } from '../platforms/conformance/line';

/** `REMOTE_PROC_DOMAIN_SET_METADATA`: how we accept an operation. */
const SET_METADATA = 264;
/** `REMOTE_PROC_DOMAIN_GET_XML_DESC`, whose last four bytes are flags. */
const GET_XML = 14;
/** All flags that there could be: libvirt refuses those that it does not know. */
const ALL_FLAGS = 0x7fffffff;

/** A line, and the socket that leads to it. */
export interface LibvirtLine extends Line {
  socket: string;
  /** Cuts each connection in the middle of the next message that comes from the daemon. */
  cutInTheMiddle(): void;
  /** Has the daemon refuse to say what a domain is. */
  hide(name: string): void;
}

/** Starts one. */
export async function startLibvirtLine(socket: string, target: string): Promise<LibvirtLine> {
  const open = new Set<Socket>();
  let mode: 'through' | 'cut' | 'silent' = 'through';
  let lag = 0;
  let loseNext = false;
  const torn = new WeakSet<Socket>();
  let tearing = false;
  let hidden: string | undefined;

  const server = createServer((near) => {
    if (mode === 'cut') return void near.destroy();
    open.add(near);
    const far = connect({ path: target });
    let lost: number | undefined;
    const end = (): void => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const each of [near, far]) each.on('error', end).on('close', end);
    const up = new FrameReader();
    near.on('data', (chunk: Buffer) => {
      for (const frame of up.push(chunk)) {
        if (mode === 'silent') continue;
        if (loseNext && frame.procedure === SET_METADATA) {
          loseNext = false;
          lost = frame.serial;
        }
        if (hidden !== undefined && frame.procedure === GET_XML && frame.body.includes(hidden))
          frame.body.writeInt32BE(ALL_FLAGS, frame.body.length - 4);
        far.write(writeFrame(frame));
      }
    });
    const down = new FrameReader();
    const pass = (frame: Frame): void => {
      if (mode === 'silent' || near.destroyed) return;
      if (frame.type === MESSAGE_TYPES.reply && frame.serial === lost) return end();
      const bytes = writeFrame(frame);
      if (tearing && !torn.has(near)) {
        torn.add(near);
        near.end(bytes.subarray(0, bytes.length - 4), end);
      } else near.write(bytes);
    };
    far.on('data', (chunk: Buffer) => {
      for (const frame of down.push(chunk)) {
        if (frame.type === MESSAGE_TYPES.event && lag > 0) setTimeout(() => pass(frame), lag);
        else pass(frame);
      }
    });
  });
  rmSync(socket, { force: true });
  server.listen(socket);
  await once(server, 'listening');
  const cutAll = (): void => open.forEach((each) => each.destroy());
  const injure = (change: () => void): void => {
    [mode, lag, loseNext, tearing, hidden] = ['through', 0, false, false, undefined];
    change();
  };
  return {
    socket,
    cut: () => {
      injure(() => (mode = 'cut'));
      cutAll();
    },
    silence: () => injure(() => (mode = 'silent')),
    lag: (milliseconds) => injure(() => (lag = milliseconds)),
    loseNextAnswer: () => injure(() => (loseNext = true)),
    cutInTheMiddle: () => injure(() => (tearing = true)),
    hide: (name) => injure(() => (hidden = name)),
    restore: () => {
      // What was left unanswered stays so: a silent connection ends.
      if (mode === 'silent') cutAll();
      injure(() => undefined);
    },
    connections: () => Promise.resolve(open.size),
    close: async () => {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
