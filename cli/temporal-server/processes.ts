/** Other processes, as the operating system sees them: needed to clean up after a process that was killed. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ps, startedAt } from '../../files';

/** Whether a process with this pid runs; a zombie does not. */
export function isRunning(pid: number): boolean {
  return startedAt(pid) !== undefined;
}

/** The command line of a process; empty if no such process runs. */
export function commandLine(pid: number): string {
  if (process.platform !== 'linux') return ps(pid, 'command') ?? '';
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
}

/** Ends a process: SIGTERM, and SIGKILL after `patience` milliseconds. Resolves when it is gone, or 5 s after SIGKILL. */
export async function endProcess(pid: number, patience: number): Promise<void> {
  const identity = startedAt(pid);
  const gone = () => startedAt(pid) !== identity || identity === undefined;
  for (const [signal, time] of [
    ['SIGTERM', patience],
    ['SIGKILL', 5_000],
  ] as const) {
    if (gone()) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    for (const until = Date.now() + time; Date.now() < until && !gone();) await sleep(25);
  }
}
