/** The dry run: what a plan would do, asked of the planner: pure. */
export {
  forecast,
  progressAtStart,
  type Forecast,
  type ForecastStep,
  type ForecastWorld,
  type GivenUp,
} from './forecast';
export { seenRun } from './seen-run';
