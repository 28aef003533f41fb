/** Colours by meaning. There are none if the output is not a terminal, or `NO_COLOR` is set. */
import pc from 'picocolors';

/** Colours a text by its meaning. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  info(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}

/** The colours for an output stream. */
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
