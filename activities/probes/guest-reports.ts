/** What a guest reports about itself through its platform, held against a probe. Pure, and without its values, which may be secret. */
import { compileExpression, fitText, type GuestInfoProbe, type Probe } from '../../api';
import type { GuestReport } from '../../platforms';
import type { ProbeAnswer } from './answers';

/** Whether a probe asks the platform, and not the guest. */
export function asksPlatform({ guestHeartbeat, guestInfo }: Probe): boolean {
  return guestHeartbeat !== undefined || guestInfo !== undefined;
}

/** The answer to a probe that {@link asksPlatform}. */
export function answerOfReport(probe: Probe, report: GuestReport): ProbeAnswer {
  const { guestHeartbeat, guestInfo = [] } = probe;
  return guestHeartbeat
    ? heartbeatAnswer(guestHeartbeat.thresholdStatus, report.heartbeat)
    : infoAnswer(guestInfo, report.info);
}

const RANKS = { gray: -1, red: -1, yellow: 0, green: 1 };

function heartbeatAnswer(threshold: 'yellow' | 'green', is: GuestReport['heartbeat']): ProbeAnswer {
  if (is === undefined) return { ok: false, text: 'guest heartbeat: not reported' };
  return RANKS[is] >= RANKS[threshold]
    ? { ok: true, text: `guest heartbeat: ${is}` }
    : { ok: false, text: `guest heartbeat: ${is}, expected ${threshold}` };
}

/** Bytes of a key that are shown. */
const SHOWN_KEY = 100;
/** Longest value that is matched, in characters: matching occupies the whole worker. */
const LONGEST_VALUE = 16_384;

function infoAnswer(asked: readonly GuestInfoProbe[], info: GuestReport['info']): ProbeAnswer {
  for (const { key, value: expression } of asked) {
    const wrong = infoProblem(expression, info.get(key));
    if (wrong !== undefined) return { ok: false, text: `guest info ${fitText(key, SHOWN_KEY)}: ${wrong}` };
  }
  return { ok: true, text: 'guest info: as expected' };
}

/** What is wrong with a value; undefined: nothing. */
function infoProblem(expression: string | undefined, value: string | undefined): string | undefined {
  if (value === undefined) return 'not set';
  const matches = expression === undefined ? undefined : compileExpression(expression);
  if (!matches) return undefined;
  if (matches === 'TooLarge') return 'its expression is too large to be matched';
  if (value.length > LONGEST_VALUE) return `longer than ${LONGEST_VALUE} characters, which are not matched`;
  return matches(value) ? undefined : 'does not match';
}
