/**
 * docs/rfc-index.md: which clause of which RFC is obeyed where, and which tests hold it. Read out of the comments in
 * src/ (`// RFC 3261 17.2.1: …`, the `clause` of a row in the machines) and the titles of tests. For the clauses that
 * a proxy and a registrar live by, a tag without a test is an error, and a test without a tag.
 */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ClauseUse {
  /** `3261 16.7 step 5`, `3581 4` */
  readonly clause: string;
  /** Path from the top of the project. */
  readonly file: string;
}

/** Clauses (and all below them) whose tags must have tests, and the reverse. */
const watched = ['3261 8.2.6', '3261 9', '3261 16', '3261 17', '3261 18', '3581', '4320', '5393', '6026'];

const titles: Readonly<Record<string, string>> = {
  '3261': 'SIP: Session Initiation Protocol',
  '3262': 'Reliability of provisional responses',
  '3263': 'Locating SIP servers',
  '3311': 'The UPDATE method',
  '3326': 'The Reason header field',
  '3327': 'The Path header field',
  '3581': 'Symmetric response routing (rport)',
  '3665': 'Basic call flow examples',
  '3966': 'The tel URI',
  '4320': 'Actions for requests that are no INVITE',
  '4475': 'Torture test messages',
  '5118': 'Torture test messages for IPv6',
  '5393': 'Amplification in forking proxies',
  '5626': 'Client-initiated connections (outbound)',
  '5658': 'Record-Route between sockets',
  '5923': 'Connection reuse',
  '6026': 'Correct handling of 2xx responses',
  '8760': 'Digest algorithms',
};

/** `RFC 3261 16.7 steps 3 and 9, 16.4`: the number, and the clauses that follow it. */
const mention =
  /RFC (\d{4})(?: section| §)? ((?:\d+(?:\.\d+)*(?: steps? \d+(?:(?:, | and |\/)\d+(?![.\d]))*)?(?:, | and |\/)?)+)/g;
const clausePart = /(\d+(?:\.\d+)*)(?: steps? (\d+(?:(?:, | and |\/)\d+(?![.\d]))*))?/g;

/** The clauses that a text names. A chapter of RFC 3261 alone (`RFC 3261 17`) is no clause. */
export function clausesIn(text: string): string[] {
  const clauses: string[] = [];
  for (const [, rfc, list] of text.matchAll(mention)) {
    for (const [, section, steps] of list!.matchAll(clausePart)) {
      if (rfc === '3261' && !section!.includes('.')) continue;
      const clause = `${rfc} ${section}`;
      if (steps === undefined) clauses.push(clause);
      else for (const step of steps.matchAll(/\d+/g)) clauses.push(`${clause} step ${step[0]}`);
    }
  }
  return clauses;
}

export function collectCodeClauses(root: string): ClauseUse[] {
  return globSync('src/**/*.ts', { cwd: root })
    .sort()
    .flatMap((file) => {
      const source = readFileSync(join(root, file), 'utf8');
      const rows = [...source.matchAll(/\bclause: '([\d. ]+)'/g)].map((match) => match[1]!);
      const comments = [...source.matchAll(/\/\*[\s\S]*?\*\/|\/\/.*/g)].map((match) =>
        match[0].replaceAll(/\s*\n\s*\*\s*/g, ' '),
      );
      const clauses = [
        ...comments.flatMap(clausesIn),
        ...rows.map((row) => (/^\d{4} /.test(row) ? row : `3261 ${row}`)),
      ];
      return clauses.map((clause) => ({ clause, file }));
    });
}

/** A title of a test or a group of them, with how far it is indented. */
const title = /^( *)(?:describe|it)(?:\.\w+)*(?:\([\s\S]*?\))??\(\s*(?:'((?:[^'\\\n]|\\.)*)'|`([^`]*)`)/gm;

/** `it('step 5: …')` within `describe('RFC 3261 16.7 …')` is about step 5 of that clause. */
export function collectTestClauses(root: string): ClauseUse[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .sort()
    .flatMap((file) =>
      clausesOfTests(readFileSync(join(root, file), 'utf8')).map((clause) => ({ clause, file })),
    );
}

export function clausesOfTests(source: string): string[] {
  const clauses: string[] = [];
  const around: { readonly indent: number; readonly clause: string }[] = [];
  for (const match of source.matchAll(title)) {
    const indent = match[1]!.length;
    const text = match[2] ?? match[3] ?? '';
    while (around.length > 0 && around.at(-1)!.indent >= indent) around.pop();
    const own = clausesIn(text);
    const outer = around.at(-1)?.clause;
    const step = outer === undefined || outer.includes('step') ? null : /^step (\d+)/.exec(text);
    if (step !== null) own.push(`${outer} step ${step[1]}`);
    clauses.push(...own);
    if (own.length > 0) around.push({ indent, clause: own[0]! });
  }
  return clauses;
}

/** True when `clause` is `whole` or a part of it. */
function isWithin(clause: string, whole: string): boolean {
  return clause === whole || clause.startsWith(`${whole}.`) || clause.startsWith(`${whole} `);
}

/** What lacks its other half, as one line each. */
export function gaps(code: readonly ClauseUse[], tests: readonly ClauseUse[]): string[] {
  const missing = (from: readonly ClauseUse[], to: readonly ClauseUse[], what: string): string[] => {
    const have = new Set(to.map((use) => use.clause));
    const lacking = from.filter(
      ({ clause }) =>
        watched.some((whole) => isWithin(clause, whole)) &&
        ![...have].some((other) => isWithin(other, clause)),
    );
    return [...new Set(lacking.map(({ clause, file }) => `RFC ${clause} (${file}) ${what}`))];
  };
  return [
    ...missing(code, tests, 'has no test: name one "RFC … clause"'),
    ...missing(tests, code, 'has no place in src: tag the line that obeys it'),
  ];
}

export function writeRfcIndex(code: readonly ClauseUse[], tests: readonly ClauseUse[]): string {
  const clauses = [...new Set([...code, ...tests].map((use) => use.clause))].sort(compareClauses);
  const byRfc = Map.groupBy(clauses, (clause) => clause.slice(0, 4));
  const files = (uses: readonly ClauseUse[], clause: string): string =>
    [...new Set(uses.filter((use) => use.clause === clause).map((use) => `\`${use.file}\``))].join('<br>');
  const parts = [...byRfc].map(([rfc, list]) => {
    const rows = list.map(
      (clause) => `| ${clause.slice(5)} | ${files(code, clause) || '–'} | ${files(tests, clause) || '–'} |`,
    );
    const name = titles[rfc] === undefined ? '' : `: ${titles[rfc]}`;
    return `## RFC ${rfc}${name}\n\n| Clause | Obeyed in | Tested in |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `${introduction}\n${parts.join('\n')}`;
}

const introduction = `# RFC index

Generated by \`npm run docs\` from the comments in \`src\` and the titles of the tests; do not edit. For RFC 3261 8.2.6, 9,
10.3, 16, 17 and 18, and for RFC 3581, 4320, 5393 and 6026, a clause that is named in the code without a test, or in a
test without a place in the code, fails the build. A dash elsewhere: the clause is named on one side only.
`;

function compareClauses(a: string, b: string): number {
  const left = numbersOf(a);
  const right = numbersOf(b);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? -1) - (right[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(clause: string): number[] {
  return [...clause.matchAll(/\d+/g)].map((match) => Number(match[0]));
}
