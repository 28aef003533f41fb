/** The identity of processes: a pid alone may be given to another process. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * When a process started, as the system writes it. Together with the pid this identifies a process, also after the pid was given to another
 * one. Undefined if no such process runs, or a zombie.
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

/**
 * Identifies the processes whose pids this process can see: those since the last start of the system, and on Linux those of this pid
 * namespace, as each container has its own.
 */
export function pidSpace(): string {
  if (process.platform !== 'linux') return hostname();
  try {
    return `${bootId()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** A column of `ps` for one process; undefined if no such process runs. */
export function ps(pid: number, column: string): string | undefined {
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

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
