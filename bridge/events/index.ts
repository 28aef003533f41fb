/** What happened to groups, as events. */
export {
  groupObject,
  manifestEvents,
  problemEvents,
  viewEvents,
  type BridgeEvent,
  type EventObject,
  type EventReason,
  type Happening,
} from './events';
