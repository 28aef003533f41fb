/** Times and durations as the page writes them. Pure. */
import { markup, trusted, type Html } from './html';

/** A running clock: `0:42`, `4:12`, `1:04:12`. The script of the page writes it in the same way. */
function clockText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** A clock that counts up from a time, or down to it. {@link filledClocks} fills it in, and the script keeps it going. */
export function clock(direction: 'up' | 'down', at: number): Html {
  return markup`<time data-${trusted(direction)}="${Math.round(at)}"></time>`;
}

/** The HTML with its clocks as they are at `now`. */
export function filledClocks(text: string, now: number): string {
  return text.replace(
    /<time data-(up|down)="(-?\d+)"><\/time>/g,
    (_all, direction: string, at: string) =>
      `<time data-${direction}="${at}">${clockText(direction === 'up' ? now - Number(at) : Number(at) - now)}</time>`,
  );
}

/** A time of day in UTC, with its full time as attribute: `12:34:56 UTC`. */
export function moment(at: number): Html {
  return markup`<time datetime="${isoText(at)}">${isoText(at).slice(11, 19)} UTC</time>`;
}

/** The same to the minute, for what is not known better: `12:34 UTC`. */
export function roughMoment(at: number): Html {
  return markup`<time datetime="${isoText(at)}">${isoText(at).slice(11, 16)} UTC</time>`;
}

/** Day and time in UTC: `2026-11-28 12:34:56 UTC`. */
export function dayMoment(at: number): Html {
  const iso = isoText(at);
  return markup`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`;
}

/** ISO 8601, also for a time that no calendar has. */
function isoText(at: number): string {
  const valid = Number.isFinite(at) && Math.abs(at) <= 8.64e15;
  return new Date(valid ? at : 0).toISOString();
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
