/** What commands print: tables, JSON and YAML, colours, and the texts of counts and times. */
export { paintFor, type Paint } from './colours';
export { columnsOf, cut } from './columns';
export { counted, firstNames } from './count';
export { jsonText } from './json';
export { filled } from './filled';
export { legible } from './legible';
export { print, table, terminalWidth, type Column } from './table';
export {
  printData,
  printError,
  printLine,
  printNote,
  printStyled,
  printText,
  whenUnread,
  workWithoutOutput,
} from './terminal';
export { clock, elapsed } from './time';
