/**
 * The tiers of tests, by what a test needs:
 *
 * - `unit`: nothing. None of its imports, direct or not, is `node:child_process`.
 * - `temporal`: other programs, such as a Temporal dev server, a simulated vCenter or the built command.
 * - `cluster`: parts of Kubernetes too, because it imports `test/support/kubernetes-parts.ts`.
 *
 * The imports of a test decide, so no list has to be kept.
 */
const fs = require('node:fs');
const path = require('node:path');

/** `import`, `export … from` and `require`; what is imported for its types alone is gone at run time. */
const IMPORT =
  /^\s*(?:import|export)\s+(?!type\s)(?:[\w*{][^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]|\b(?:require|import)\(\s*['"]([^'"]+)['"]/gm;

const KUBERNETES_PARTS = path.join(__dirname, 'support/kubernetes-parts.ts');

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

/** @param {string} test @returns {Set<string>} what a test imports, directly or not. */
function allImportsOf(test) {
  const seen = new Set([test]);
  for (const each of seen) {
    if (/\.[cm]?[jt]s$/.test(each) && isFile(each)) for (const next of importsOf(each)) seen.add(next);
  }
  return seen;
}

/** @param {string} test @returns {'unit' | 'temporal' | 'cluster'} */
function tierOf(test) {
  const imports = allImportsOf(test);
  if (imports.has(KUBERNETES_PARTS)) return 'cluster';
  return imports.has('node:child_process') || imports.has('child_process') ? 'temporal' : 'unit';
}

/** @type {Record<'unit' | 'temporal' | 'cluster', string[]>} paths of the tests of each tier. */
const tiers = { unit: [], temporal: [], cluster: [] };
for (const name of fs.readdirSync(__dirname, { recursive: true, encoding: 'utf8' })) {
  const test = path.join(__dirname, name);
  if (name.endsWith('.test.ts')) tiers[tierOf(test)].push(test);
}

module.exports = tiers;
