/** Undoes what a test file changes in the realm that it shares with the next one. */
const hooks = require('node:async_hooks');
const { globalsOfPackages } = require('./modules');

const { AsyncLocalStorage } = hooks;

/** @param {object} object @param {string[]} names @returns {() => void} what gives the properties their present values back. */
function rememberProperties(object, names) {
  const before = names.map(
    (name) => /** @type {const} */ ([name, Object.getOwnPropertyDescriptor(object, name)]),
  );
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(object, name, descriptor);
      else Reflect.deleteProperty(object, name);
    }
  };
}

/** Jest registers the tests and matchers of a file as globals; those of packages live as long as the packages. */
function rememberGlobals() {
  const before = new Set(Reflect.ownKeys(globalThis));
  return () => {
    for (const key of Reflect.ownKeys(globalThis))
      if (!before.has(key) && !globalsOfPackages.has(key)) Reflect.deleteProperty(globalThis, key);
  };
}

function rememberVariables() {
  const { env } = process;
  const before = { ...env };
  return () => {
    for (const name of Object.keys(env)) if (!Object.hasOwn(before, name)) delete env[name];
    Object.assign(env, before);
  };
}

function rememberExitCode() {
  const { exitCode } = process;
  return () => {
    process.exitCode = exitCode;
  };
}

/** @returns {boolean} whether a package has called the method of `process` that adds a listener. */
function addedByPackage() {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const frames = (new Error().stack ?? '').split('\n');
  Error.stackTraceLimit = stackTraceLimit;
  const adding = frames.findLastIndex((frame) => frame.includes('_addListener (node:events'));
  const caller = frames.slice(adding + 1).find((frame) => !frame.includes('(node:'));
  return caller?.includes('/node_modules/') === true;
}

/**
 * Removes the listeners of a file; for those of `exit` its process ends now. Listeners of packages stay, as their modules do: they do not add them
 * again for the next file.
 */
function rememberListeners() {
  /** @type {[event: string | symbol, listener: () => void][]} */
  const added = [];
  const note = (/** @type {string | symbol} */ event, /** @type {() => void} */ listener) => {
    if (!addedByPackage()) added.push([event, listener]);
  };
  process.on('newListener', note);
  return () => {
    process.removeListener('newListener', note);
    for (const [event, listener] of added) {
      if (event === 'exit' && process.listeners(event).includes(listener)) listener();
      process.removeListener(event, listener);
    }
  };
}

/**
 * Temporal's SDK refuses a second runtime while a process has one, and the next file installs its own. Workers and connections that a file leaves
 * open keep theirs.
 */
function forgetTemporalRuntime() {
  const { Runtime } = require.cache[require.resolve('@temporalio/worker')]?.exports ?? {};
  if (Runtime) Object.assign(Runtime, { _instance: undefined, defaultOptions: {} });
}

/** @type {Set<AsyncLocalStorage<unknown>>} those that were made since the last file ended. */
const storages = new Set();

hooks.AsyncLocalStorage = class extends AsyncLocalStorage {
  /** @param {ConstructorParameters<typeof AsyncLocalStorage>} args */
  constructor(...args) {
    super(...args);
    storages.add(this);
  }
};

/**
 * Until it is disabled, each storage adds to the work of every promise and timer of its process (before Node 24), and Temporal's SDK makes one for
 * each connection: after a hundred files that was a sixth of their CPU time. Code that still has a use for one enables it again.
 */
function disableStorages() {
  for (const storage of storages) storage.disable();
  storages.clear();
}

/** @returns {() => void} what undoes all changes from now on but those of stack traces. */
function rememberRealm() {
  const undo = [
    forgetTemporalRuntime,
    disableStorages,
    rememberListeners(),
    rememberExitCode(),
    rememberVariables(),
    rememberProperties(process, ['env', 'exit', 'getBuiltinModule']),
    rememberProperties(globalThis, ['console']),
    rememberGlobals(),
  ];
  return () => undo.forEach((each) => each());
}

function rememberStacks() {
  return rememberProperties(Error, ['prepareStackTrace', 'stackTraceLimit']);
}

module.exports = { rememberRealm, rememberStacks };
