/** Colours with a meaning, or none: where the output is no terminal, or `NO_COLOR` is set. */
import pc from 'picocolors';

/** Marks text by what it means. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  info(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}

/** The marks for an output stream. */
export function paintFor(stream: { isTTY?: boolean }): Paint {
  const colors = pc.createColors(
    stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
  );
  return {
    good: colors.green,
    bad: colors.red,
    warn: colors.yellow,
    info: colors.cyan,
    dim: colors.dim,
    strong: colors.bold,
  };
}
