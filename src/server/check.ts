/** `anyvia check`: everything that would stop a start, found without starting. */

import { isDiagnostics } from '#module/load.ts';
import { readConfiguration } from '#server/configuration.ts';
import { loadFile } from '#server/load-file.ts';
import { isFailure } from '#util/failure.ts';

export interface CheckResult {
  /** Complete texts: place, line, caret, cause. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

export async function checkScript(file: string): Promise<CheckResult> {
  const loaded = loadFile(file);
  if (isFailure(loaded)) return { problems: [`${file}: ${loaded.message}`], warnings: [] };
  if (isDiagnostics(loaded)) return { problems: loaded.map((diagnostic) => diagnostic.text), warnings: [] };
  const warnings = loaded.warnings.map((diagnostic) => diagnostic.text);
  const configuration = readConfiguration(loaded, []);
  if (isFailure(configuration)) return { problems: [`${file}: ${configuration.message}`], warnings };
  return { problems: [], warnings };
}
