/** Tells the log and the listener what happened. */
import type { BridgeEvent, EventObject, Happening } from '../events';
import { errorText } from './error-text';

/** The bridge's log. pino's loggers fit. */
export interface BridgeLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** Takes what happened. */
export type Announce = (happening: Happening) => void;

/** Makes an announcer. `fieldsOf`: what log lines about an object carry. `onEvent` is called with each event once. */
export function announcer(
  logger: BridgeLogger,
  fieldsOf: (object: EventObject) => object,
  onEvent: (event: BridgeEvent) => void = () => undefined,
): Announce {
  return (happening) => {
    const event: BridgeEvent = { time: Date.now(), ...happening };
    const { type, reason, object, member, message } = event;
    const details = { reason, object, ...fieldsOf(object), ...(member !== undefined && { member }) };
    if (type === 'Warning') logger.warn(details, message);
    else logger.info(details, message);
    onEvent(event);
  };
}

const BRIDGE: EventObject = { kind: 'Bridge', namespace: '', name: 'bridge' };

/** Temporal answers again, or no longer answers. */
export function reachability(reachable: boolean, error: unknown): Happening {
  return reachable
    ? { type: 'Normal', reason: 'TemporalReachable', object: BRIDGE, message: 'Temporal answers again' }
    : {
        type: 'Warning',
        reason: 'TemporalUnreachable',
        object: BRIDGE,
        message: `Temporal does not answer (${errorText(error)}); retrying`,
      };
}
