/**
 * `npm run build`: dist/, the published program. Types are stripped by the same function that Node itself uses to run
 * the sources, so lines and columns stay those of the sources. (The TypeScript compiler refuses to emit imports that
 * name `#layer/file.ts`.) dist/package.json maps those names to the .js files.
 */

import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const target = join(root, 'dist');

process.removeAllListeners('warning'); // "experimental": the version of Node is pinned by package-lock.json.
rmSync(target, { recursive: true, force: true });
const sources = globSync('**/*.ts', { cwd: join(root, 'src') });
for (const source of sources) {
  const path = join(target, source.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, stripTypeScriptTypes(readFileSync(join(root, 'src', source), 'utf8')));
}
writeFileSync(
  join(target, 'package.json'),
  `${JSON.stringify({ type: 'module', imports: { '#*.ts': './*.js' } })}\n`,
);
console.log(`dist: ${sources.length} files`);
