/**
 * `anyvia mi METHOD [PARAM…]`: words of a command line as the parameters of a management method. `name=value` words
 * go by name, others by position. Values stay text (an address of record may be all digits) unless they are written
 * as a JSON list or object.
 */

import { Failure } from '#util/failure.ts';

/** Methods whose only parameter is a list: `anyvia mi get_statistics core: tm:` reads as OpenSIPS's own client does. */
const listMethods: ReadonlySet<string> = new Set([
  'get_statistics',
  'statistics:get',
  'list_statistics',
  'statistics:list',
  'reset_statistics',
  'statistics:reset',
]);

const namedWord = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;

/** Failures: CLI_PARAMETERS_MIXED. */
export function readMethodParameters(
  method: string,
  words: readonly string[],
  all: boolean,
): Record<string, unknown> | unknown[] | Failure {
  if (listMethods.has(method) && words.length > 0) {
    const statistics = words.map((word) => word.replace(/^statistics=/, ''));
    return { statistics, ...(all ? { anyvia_all: true } : {}) };
  }
  const pairs = words.map((word) => namedWord.exec(word));
  const named = pairs.filter((pair) => pair !== null);
  if (named.length > 0 && named.length < words.length) {
    const word = words[pairs.indexOf(null)];
    return new Failure(
      'CLI_PARAMETERS_MIXED',
      `"${word}" has no name, other parameters have: name=value throughout`,
    );
  }
  if (named.length === 0 && words.length > 0) {
    if (all) return new Failure('CLI_PARAMETERS_MIXED', '--all needs parameters by name: name=value');
    return words.map(readValue);
  }
  const object: Record<string, unknown> = {};
  for (const pair of named) object[pair[1]!] = readValue(pair[2]!);
  if (all) object.anyvia_all = true;
  return object;
}

function readValue(word: string): unknown {
  if (!word.startsWith('[') && !word.startsWith('{')) return word;
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}
