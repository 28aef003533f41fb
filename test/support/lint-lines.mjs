/** Lints lines given as JSON on standard input, each as the whole text of its file; prints the rules that object to each. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const eslint = new ESLint({ cwd: root });
const results = [];
for (const { file, line } of JSON.parse(readFileSync(0, 'utf8'))) {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: path.join(root, file) });
  results.push(result.messages.map(({ ruleId }) => ruleId ?? 'none'));
}
process.stdout.write(JSON.stringify(results));
