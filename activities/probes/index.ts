/** Probes: what a worker asks of guests. */
export { Prober } from './prober';
export { untilProbed } from './until-probed';
