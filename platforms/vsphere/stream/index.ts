/** The one stream of a server: changes of all VMs, of what they stand in, and of the tasks that are followed. */
export { Collector, readProperties, type ObjectUpdate } from './collector';
export { Stream, type StreamListener } from './stream';
