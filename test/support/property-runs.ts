/** How often property tests run. */

/** Percent of the runs that each test asks for. */
const VARIABLE = 'VMGROUP_PROPERTY_RUNS';

/**
 * The runs of a property test, or how often it must have seen something: what `VMGROUP_PROPERTY_RUNS` percent (by default 100) are of
 * `runs`, at least 1.
 */
export function propertyRuns(runs: number): number {
  const percent = Number(process.env[VARIABLE] ?? 100);
  if (!(percent > 0))
    throw new Error(`${VARIABLE} is ${process.env[VARIABLE]}: must be a percentage above 0`);
  return Math.max(1, Math.floor((runs * percent) / 100));
}
