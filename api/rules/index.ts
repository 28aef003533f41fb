/** Rules between objects, and the objects that affect the rules for one object. */
export { neighboursOf } from './neighbours';
export { checkRules, sameToRules } from './rules';
