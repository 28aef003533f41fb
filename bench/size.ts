/**
 * Bytes of what a run of 2,000 failing VMs sends, with names of 253 characters and errors of 4 KB, against what Temporal takes; and how long
 * one workflow task spends on it, against one `JSON.stringify` of the same state.
 */
import { byteLength, jsonLength } from '../api';
import { NOW, troubled, VMS } from '../test/workflows/troubled';
import { nextSteps } from '../workflows/planner';
import { detailsOf, parkedMembers, progressOf } from '../workflows/progress';
import { carried } from '../workflows/carried-run';
import { fitParked } from '../workflows/size';
import { end } from '../workflows/state';
import { report, spread, withSpread } from './figures';

const ROUNDS = Number(process.env['ROUNDS'] ?? 7);

/** Milliseconds of each of several calls. */
function times(what: () => unknown): number[] {
  return Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    what();
    return performance.now() - began;
  });
}

const run = troubled(['parked', 'parked', 'failing']);
const stopped = { ...end(run, 'Cancelled', 'stopped'), claims: { sequence: 1, vms: {} } };
const { outcome } = nextSteps(stopped, NOW + 20);

report(`bytes, ${VMS} failing VMs`, [
  {
    name: 'search attribute of parked members',
    value: jsonLength(fitParked(parkedMembers(run))),
    bound: 2_048,
  },
  { name: 'details in the UI', value: byteLength(detailsOf(run)), bound: 20_000 },
  { name: 'state that continues as new', value: jsonLength(carried(run)), bound: 2_000_000 },
  { name: 'answer of the query progress', value: jsonLength(progressOf(run)), bound: 2_000_000 },
  { name: 'outcome', value: jsonLength(outcome), bound: 2_000_000 },
]);

const floor = spread(times(() => JSON.stringify(run)));
const task = spread(
  times(() => {
    const decision = nextSteps(run, NOW + 30);
    parkedMembers(decision.run);
    detailsOf(decision.run);
  }),
);
const leaving = spread(times(() => carried(run)));
report(`time, ${VMS} failing VMs`, [
  { name: 'JSON.stringify of the state (the floor)', text: withSpread(floor, 1), unit: 'ms' },
  { name: 'one workflow task: nextSteps, attributes, details', value: task.median, unit: 'ms', bound: 1_000 },
  { name: 'continue as new: make the state fit', value: leaving.median, unit: 'ms', bound: 4_000 },
  { name: 'workflow task, times the floor', value: task.median / floor.median },
]);
