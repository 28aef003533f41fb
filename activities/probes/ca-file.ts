/** Reads the certificates that a probe trusts. The path comes from a manifest, so it may name anything. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Bytes of the largest file of certificates. */
const MOST_BYTES = 1024 * 1024;

/**
 * The content of a file of certificates.
 *
 * @throws Error if it is no regular file, is too large, or cannot be read.
 */
export async function readCaFile(path: string): Promise<string> {
  // A pipe or a device without a reader or writer does not block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new Error(`caFile ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  });
  try {
    const { size, isRegular } = await file
      .stat()
      .then((stat) => ({ size: stat.size, isRegular: stat.isFile() }));
    if (!isRegular) throw new Error(`caFile ${path} is not a file`);
    if (size > MOST_BYTES) throw new Error(`caFile ${path} is larger than ${MOST_BYTES} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
