/** Times and durations for people. */

/** A duration in milliseconds, rounded to its two largest units: `4s`, `2m10s`, `3h5m`, `2d4h`. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}

/** A point in time, milliseconds since the epoch, as local time: `12:34:56`. */
export function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
