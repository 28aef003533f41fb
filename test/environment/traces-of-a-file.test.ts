/** What a test file changes in its process is undone before the next file; what packages add stays with them. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { runInThisContext } from 'node:vm';

const { rememberRealm } = jest.requireActual<{ rememberRealm: () => () => void }>('./traces-of-a-file');

/** Compiles code as that of a package. */
function ofPackage<T>(code: string): T {
  return runInThisContext(code, { filename: '/node_modules/package/index.js' }) as T;
}

const addAsPackage = ofPackage<(listener: () => void) => void>(
  '(listener) => process.once("SIGUSR2", listener)',
);
const patchEmit = ofPackage<() => () => void>(`() => {
  const { emit } = process;
  process.emit = function (...args) { return emit.apply(this, args); };
  return () => { process.emit = emit; };
}`);

/** Calls `change`, and undoes what it changes. */
function changed(change: () => void): void {
  const undo = rememberRealm();
  change();
  undo();
}

test.each<[string, () => unknown, () => void]>([
  ['a variable that is set', () => process.env['LANG'], () => (process.env['LANG'] = 'another')],
  ['a variable that is added', () => process.env['VMGROUP_NEW'], () => (process.env['VMGROUP_NEW'] = 'new')],
  ['a variable that is deleted', () => process.env['PATH'], () => delete process.env['PATH']],
  ['the variables as a whole', () => process.env, () => (process.env = {})],
  ['process.exit', () => Reflect.get(process, 'exit'), () => (process.exit = () => undefined as never)],
  ['the exit code', () => process.exitCode, () => (process.exitCode = 3)],
  ['the console', () => globalThis.console, () => (globalThis.console = { ...globalThis.console })],
  ['a global', () => 'added' in globalThis, () => Object.assign(globalThis, { added: 1 })],
])('%s', (_, read, change) => {
  const before = read();
  changed(() => {
    change();
    expect(read()).not.toBe(before);
  });
  expect(read()).toBe(before);
});

test('listeners of the file go, also where a package has replaced the method that lists them', () => {
  const before = process.rawListeners('SIGUSR2');
  const restore = patchEmit();
  try {
    changed(() => process.on('SIGUSR2', () => undefined).once('SIGUSR2', () => undefined));
  } finally {
    restore();
  }
  expect(process.rawListeners('SIGUSR2')).toEqual(before);
});

test('listeners of packages stay', () => {
  const listener = jest.fn();
  changed(() => addAsPackage(listener));
  try {
    expect(process.listeners('SIGUSR2')).toContain(listener);
  } finally {
    process.removeListener('SIGUSR2', listener);
  }
});

test('what waits for the end of the process is called once', () => {
  const end = jest.fn();
  changed(() => process.once('exit', end));
  expect(end).toHaveBeenCalledTimes(1);
  expect(process.listeners('exit')).not.toContain(end);
});

test('storages of asynchronous contexts cost nothing any more, and can be used again', () => {
  const storage = new AsyncLocalStorage<number>();
  storage.enterWith(1);
  changed(() => expect(storage.getStore()).toBe(1));
  expect(storage.getStore()).toBeUndefined();
  expect(storage.run(2, () => storage.getStore())).toBe(2);
});

test('import() loads a package that is an ES module', async () => {
  expect((await import('p-map')).default).toBeInstanceOf(Function);
});
