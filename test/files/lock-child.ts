/** Takes the lock named on the command line and says so, or why not. Ends with its standard input. */
import { takeLock } from '../../files';

const [path = ''] = process.argv.slice(2);
takeLock(path, { note: { command: 'child' }, onLost: () => say('lost') }).then(
  () => say(`held ${process.pid}`),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
process.stdin.resume().once('end', () => process.exit());
