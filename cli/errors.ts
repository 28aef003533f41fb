/** Errors of commands, and exit codes. */
import { oneLine } from '../api/text';
import { onSameTarget } from './options';

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** Something failed, or a problem was found. */
  failed: 1,
  /** `--exit-when-converged`: converged, except for members that were left as they are. */
  exceptions: 2,
  /** The command line is invalid. */
  usage: 64,
  /** Stopped by a signal (128 + SIGINT). */
  interrupted: 130,
} as const;

/** An error for people: what happened to which object and why, and what to do. Printed without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;

  constructor(
    message: string,
    /** What to do about it, one step per line. */
    readonly nextSteps: string[] = [],
    options?: ErrorOptions & { exitCode?: number },
  ) {
    super(message, options);
    this.exitCode = options?.exitCode ?? EXIT.failed;
  }
}

/** The message of anything that was thrown, with the messages of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : messageOf(error.cause);
  return cause === '' || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}

/**
 * The lines that are printed to standard error for an error. Commands in them reach the groups of `argv`. Further lines of a message, which
 * others may have written, are indented.
 */
export function explain(error: unknown, argv: readonly string[] = []): string {
  const lines = [`error: ${messageOf(error).split('\n').join('\n    ')}`];
  if (error instanceof CliError)
    lines.push(...error.nextSteps.map((step) => `  → ${oneLine(onSameTarget(step, argv))}`));
  else if (process.env['VMGROUP_DEBUG'] && error instanceof Error) lines.push(error.stack ?? '');
  return lines.join('\n') + '\n';
}
