/** What commands show while groups change: a picture that is redrawn on a terminal, otherwise a line, or a JSON object, for each event. */
import type { ObjectName } from '../../api';
import type { BridgeEvent, GroupView } from '../../bridge';
import type { PastRun } from '../../insight';
import { clock, jsonText, printData, printLine } from '../output';

/** News that is not about a group. */
export type Notice =
  | { reason: 'Notice'; type: 'Normal' | 'Warning'; message: string }
  | StartedNotice
  | { reason: 'Stopped'; type: 'Normal' | 'Warning'; message: string; exitCode: number };

/** The addresses of everything that `vmgroup up` has started. */
export interface StartedNotice {
  reason: 'Started';
  type: 'Normal';
  message: string;
  /** `host:port`. */
  temporal: string;
  /** Address of the page with the runs. */
  ui?: string;
  simulator?: string;
  /** Path of the data folder. */
  data: string;
}

/** Shows groups, and what happens to them. */
export interface Display {
  /** Shows a new or changed group. `past`: of its open run, for estimates; absent: not known. */
  show(view: GroupView, past?: readonly PastRun[]): void;
  /** Removes a deleted group. */
  forget(group: ObjectName): void;
  /** Shows an event of a group or its surroundings. */
  event(event: BridgeEvent): void;
  notice(notice: Notice): void;
  /** Leaves the last picture on the terminal. Afterwards only notices are shown. */
  close(): void;
}

/** Puts the time first among the keys of an event. */
const TIME_FIRST = { time: '' };

/** One JSON object a line, for programs. */
export function jsonLines(): Display {
  const write = (time: number, event: object) =>
    printData(`${jsonText({ ...TIME_FIRST, ...event, time: new Date(time).toISOString() })}\n`);
  return {
    show: () => undefined,
    forget: () => undefined,
    event: (event) => write(event.time, event),
    notice: (notice) => write(Date.now(), notice),
    close: () => undefined,
  };
}

/** One line an event, for pipes and simple terminals. */
export function plainLines(): Display {
  const write = (time: number, text: string) => printLine(`${clock(time)} ${text}`);
  return {
    show: () => undefined,
    forget: () => undefined,
    event: (event) => write(event.time, eventText(event)),
    notice: (notice) => write(Date.now(), noticeText(notice)),
    close: () => undefined,
  };
}

/** An event as a line. */
export function eventText({ object, reason, message }: BridgeEvent): string {
  const name = object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
  return message.startsWith(name) ? `${reason}: ${message}` : `${name}  ${reason}: ${message}`;
}

/** A notice as a line. */
export function noticeText(notice: Notice): string {
  if (notice.reason !== 'Started') return notice.message;
  return `${notice.message}: Temporal at ${notice.temporal}${notice.ui ? `, UI ${notice.ui}` : ''}`;
}
