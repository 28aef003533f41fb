/** Content security policies name what is written in the page by its hash. Pure. */
import { createHash } from 'node:crypto';

/** The source of an inline style or script. */
export function inlineSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
