/** What an export writes, and where to. Pure. */

/** Formats of an export. */
export type ExportFormat = 'json' | 'csv' | 'html';

/** Format and file; without a file, standard output. */
export interface ExportTarget {
  format: ExportFormat;
  file?: string;
}

/** Reads `-o`: a format, or a file whose ending says the format; JSON otherwise. */
export function exportTarget(output: string | undefined): ExportTarget {
  if (output === undefined) return { format: 'json' };
  if (output === 'json' || output === 'csv' || output === 'html') return { format: output };
  const ending = /\.(csv|html)$/i.exec(output)?.[1]?.toLowerCase();
  return { format: ending === 'csv' || ending === 'html' ? ending : 'json', file: output };
}
