/**
 * The two tiers of tests. A unit test starts no other program: nothing that it imports, directly or not, imports `node:child_process`.
 * All others are system tests, which need the parts that `test/support/prepare.ts` installs. So the imports of a test decide, and no list
 * has to be kept.
 */
const fs = require('node:fs');
const path = require('node:path');

/** `import`, `export … from` and `require`; what is imported for its types alone is gone at run time. */
const IMPORT =
  /^\s*(?:import|export)\s+(?!type\s)(?:[\w*{][^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]|\b(?:require|import)\(\s*['"]([^'"]+)['"]/gm;

/** @type {Map<string, string[]>} */
const known = new Map();

/** @param {string} file @returns {string[]} what a file imports: paths of our files, and names of packages. */
function importsOf(file) {
  const already = known.get(file);
  if (already) return already;
  const imports = [...fs.readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, from, required]) =>
    resolve(path.dirname(file), from ?? required ?? ''),
  );
  known.set(file, imports);
  return imports;
}

/** @param {string} dir @param {string} name */
function resolve(dir, name) {
  if (!name.startsWith('.')) return name;
  const base = path.resolve(dir, name);
  return [base, `${base}.ts`, path.join(base, 'index.ts')].find(isFile) ?? base;
}

/** @param {string} file */
function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

/** @param {string} test */
function startsPrograms(test) {
  const seen = new Set([test]);
  for (const each of seen) {
    if (each.replace('node:', '') === 'child_process') return true;
    if (/\.[cm]?[jt]s$/.test(each) && isFile(each)) for (const next of importsOf(each)) seen.add(next);
  }
  return false;
}

const tests = fs
  .readdirSync(__dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => path.join(__dirname, name));

module.exports = {
  unit: tests.filter((test) => !startsPrograms(test)),
  system: tests.filter(startsPrograms),
};
