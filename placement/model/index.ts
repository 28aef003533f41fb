/** A problem as the searches read it: spots, rules and room as arrays of numbers, and how evenly the load is spread. */
export { Balance } from './balance';
export { likenessOf, type Likeness } from './likeness';
export { readProblem, type Bond, type Model, type Rule, type Term } from './model';
export { HOLDS, inSet, layOut, MATCHES, placeOf, type Network } from './network';
