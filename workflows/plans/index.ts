/** How plans begin and change a run: pure. */
export { begin, receivePlan, whyForeign } from './receive-plan';
