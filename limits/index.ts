/** How long things may take. */
export { limited, orAborted, timerDelay } from './signals';
export { TimeLimit } from './time-limit';
