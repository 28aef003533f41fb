/** What happened to groups, as events. */
export {
  EVENT_REASONS,
  groupObject,
  type BridgeEvent,
  type EventObject,
  type EventReason,
  type Happening,
} from './event';
export { manifestEvents, problemEvents } from './manifest-events';
export { viewEvents } from './view-events';
export { commandEvent } from './command-events';
