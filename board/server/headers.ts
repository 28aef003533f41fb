/** The headers of every answer of the board. */
import { INLINE, inlineSource } from '../render';

/** Nothing from elsewhere, no other inline style or script, no frame, no form. */
const POLICY = [
  "default-src 'none'",
  `style-src ${inlineSource(INLINE.style)}`,
  `script-src ${inlineSource(INLINE.script)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers that keep a browser from doing anything with an answer but show it. */
export const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
