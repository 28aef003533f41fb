export function askForRun(): never {
  throw new Error('x');
}
