/** Compiles modules of test files in the realm of this process, and loads packages once. */
const vm = require('node:vm');

/** Jest passes it on as the context to compile for. */
const REALM = Object.freeze({});

/** Packages that hold the tests and matchers of one file. */
const RUN_BY_FILE = /\/node_modules\/(?:jest-|@jest\/|expect\/)/;

/** @type {Set<string | symbol>} keys of `globalThis` under which packages have registered something. */
const globalsOfPackages = new Set();

/** @param {string} filename */
function isPackage(filename) {
  return filename.includes('/node_modules/') && !RUN_BY_FILE.test(filename);
}

/** @param {string} filename @returns {unknown} its exports, the same for all files. */
function loadPackage(filename) {
  const before = new Set(Reflect.ownKeys(globalThis));
  const exports = require(filename);
  for (const key of Reflect.ownKeys(globalThis)) if (!before.has(key)) globalsOfPackages.add(key);
  return exports;
}

/**
 * Unlike functions of `vm.compileFunction`, scripts are in V8's cache: the next file that has the module gets what is compiled already. There is
 * no `import()` to care for, since the transform has made it `require()`.
 *
 * @param {string} code @param {readonly string[]} params @param {string} filename
 */
function compileScript(code, params, filename) {
  const head = `(function (${params.join(', ')}) {`;
  const script = new vm.Script(`${head}${code}\n})`, { filename, columnOffset: -head.length });
  return script.runInThisContext();
}

/** Makes `vm.compileFunction`, by which Jest compiles all modules, compile for the realm of this process where it is asked to. */
function compileForRealm() {
  const { compileFunction } = vm;
  vm.compileFunction = (code, params = [], options = {}) => {
    const { parsingContext, filename = '' } = options;
    if (parsingContext !== REALM) return compileFunction(code, params, options);
    if (!isPackage(filename)) return compileScript(code, params, filename);
    return (/** @type {NodeModule} */ module) => {
      module.exports = loadPackage(filename);
    };
  };
}

module.exports = { REALM, compileForRealm, globalsOfPackages };
