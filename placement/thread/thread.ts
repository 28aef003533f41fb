/** The solver as a thread: solves the problems that it is sent, one after another. */
import { parentPort } from 'node:worker_threads';
import type { PlacementProblem } from '../problem';
import { solveChecked } from '../solve';
import type { ThreadReply } from './pool';

parentPort?.on('message', (problem: PlacementProblem) => parentPort?.postMessage(replyTo(problem)));

function replyTo(problem: PlacementProblem): ThreadReply {
  try {
    return { answer: solveChecked(problem) };
  } catch (error: unknown) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
