/** A solver for processes that place at the same moment. */
import { solvePlacement, type Solve } from '../../placement';

/** Holds the answers of the solver back until so many calls have one: each has found its places before any is written. */
export function solveTogether(calls: number): Solve {
  let arrived = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (open = resolve));
  return async (problem) => {
    const answer = solvePlacement(problem);
    arrived += 1;
    if (arrived === calls) open();
    await all;
    return answer;
  };
}
