/** Probes: what a worker asks of guests. */
export { Prober } from './prober';
export { untilProbed, type ProbeWait } from './until-probed';
