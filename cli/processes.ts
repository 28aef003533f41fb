/** What the operating system knows of other processes: needed where a process was killed and left something behind. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process with this id runs (a zombie does not). */
export function isRunning(pid: number): boolean {
  return startedAt(pid) !== undefined;
}

/**
 * When a process started, in the system's own spelling: with the pid it names one process for good, also after the number was given to
 * another. Undefined where no such process runs.
 */
export function startedAt(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (process.platform !== 'linux') return ps(pid, 'lstart');
  try {
    // The name in parentheses may hold spaces; state is the first field after it, the start time the 20th.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : `${bootId()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** The command line of a process; empty where no such process runs. */
export function commandLine(pid: number): string {
  if (process.platform !== 'linux') return ps(pid, 'command') ?? '';
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
}

/** Ends a process: asks, and after `patience` milliseconds forces. Resolves once it is gone. */
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

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    const answer = execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return answer.trim() || undefined;
  } catch {
    return undefined;
  }
}
