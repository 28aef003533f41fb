/** A long-running process and its readiness. */
import type { Client } from '@temporalio/client';
import type { RunningWorker } from '../../worker';
import * as lazy from '../lazy';
import type { Closer, RunningBridge, RunningPlatforms } from '../runtime';
import type { Role } from './options';

/** What a process has started so far. */
export interface Running {
  role: Role;
  client?: Client;
  platforms?: RunningPlatforms;
  worker?: RunningWorker;
  bridge?: RunningBridge;
  /** What the start waits for. */
  waitsFor?: string;
  /** Called at the end, the last one first. */
  closers: Closer[];
}

/** Why the process is not ready; undefined if it is. */
export async function notReady(running: Running): Promise<string | undefined> {
  const { role } = running;
  return (
    (role === 'bridge' ? undefined : await workerNotReady(running)) ??
    (role === 'worker' ? undefined : bridgeNotReady(running))
  );
}

async function workerNotReady({ worker, client, platforms, waitsFor }: Running): Promise<string | undefined> {
  if (!worker?.polling() || !client)
    return `the worker does not poll yet${waitsFor === undefined ? '' : `: ${waitsFor}`}`;
  if (!(await lazy.worker().answers(client))) return 'Temporal does not answer';
  const all = platforms ? [platforms.byDefault, ...platforms.others.values()] : [];
  const lost = all.find(({ observer }) => !observer.live);
  if (lost) return `lost the watch on the platform: ${lost.address} does not answer`;
  return undefined;
}

function bridgeNotReady({ bridge, waitsFor }: Running): string | undefined {
  if (!bridge) return `the bridge has not started yet${waitsFor === undefined ? '' : `: ${waitsFor}`}`;
  const { ready, message } = bridge.bridge.ready();
  return ready ? undefined : message;
}
