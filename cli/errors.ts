/** What a person gets to read when a command cannot do what was asked. */

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** Something failed, or what was asked for is not so. */
  failed: 1,
  /** `--exit-when-converged`: converged, but for members that were left as they are. */
  exceptions: 2,
  /** The command line is wrong. */
  usage: 64,
  /** Stopped by a signal (128 + SIGINT). */
  interrupted: 130,
} as const;

/** An error with its cause and the next step; printed without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    message: string,
    /** What to do about it, one step a line. */
    readonly nextSteps: string[] = [],
    options?: ErrorOptions & { exitCode?: number },
  ) {
    super(message, options);
    this.exitCode = options?.exitCode ?? EXIT.failed;
  }
  readonly exitCode: number;
}

/** The message of anything that was thrown, with the messages of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : messageOf(error.cause);
  return cause === '' || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}

/** The lines that standard error gets for an error. */
export function explain(error: unknown): string {
  const lines = [`error: ${messageOf(error)}`];
  if (error instanceof CliError) lines.push(...error.nextSteps.map((step) => `  → ${step}`));
  else if (process.env['VMGROUP_DEBUG'] && error instanceof Error) lines.push(error.stack ?? '');
  return lines.join('\n') + '\n';
}
