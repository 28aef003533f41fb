/** What commands print: tables, JSON and YAML, colours, and the texts of counts and times. */
export { paintFor, type Paint } from './colours';
export { counted } from './count';
export { print, table, type Column } from './table';
export { clock, elapsed } from './time';
