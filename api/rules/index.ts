/** Rules between objects, and the objects that they look at for one of them. */
export { neighboursOf } from './neighbours';
export { checkRules, sameToRules, type RuleContext } from './rules';
