/** What is wrong with a script, as people read it: `file:line:column`, the line, a caret, the cause, the nearest name. */

export interface Position {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  /** Text of the line. */
  readonly text: string;
}

export interface Diagnostic {
  readonly position: Position;
  readonly cause: string;
  /** Ready to print, three lines. */
  readonly text: string;
}

export function diagnostic(position: Position, cause: string): Diagnostic {
  const { file, line, column } = position;
  const blanks = position.text.slice(0, column - 1).replace(/[^\t]/g, ' ');
  return { position, cause, text: `${file}:${line}:${column}: ${cause}\n${position.text}\n${blanks}^` };
}

/** ` (did you mean "t_relay"?)` when a known name is close, else ''. */
export function suggestion(name: string, known: Iterable<string>): string {
  let best = '';
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best === '' ? '' : ` (did you mean "${best}"?)`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_none, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(change, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
