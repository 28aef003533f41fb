/** Bytes of manifest files into text. */

const NAMES = { 'utf-8': 'UTF-8', 'utf-16le': 'UTF-16', 'utf-16be': 'UTF-16' } as const;

/**
 * The text of a file: UTF-8, with or without byte order mark, or UTF-16 with one, as PowerShell writes it. A mark stays in the text.
 *
 * @throws Error when the bytes are not text of that encoding.
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding = encodingOf(bytes);
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`it is not valid ${NAMES[encoding]}: save it as UTF-8`);
  }
  if (text.includes('\0'))
    throw new Error(
      'it holds NUL characters, as binary files and UTF-16 without byte order mark do: save it as UTF-8',
    );
  return text;
}

function encodingOf([first, second]: Uint8Array): keyof typeof NAMES {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  return 'utf-8';
}
