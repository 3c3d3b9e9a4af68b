/**
 * Flags of save() and lookup(): OpenSIPS's old letters with their values ("c1f", "mp1v", "u/regex/") and its newer
 * names between commas ("max-contacts=1,force-registration"). What is neither is skipped and told once.
 */

export interface FlagSpelling {
  readonly letter: string;
  readonly name: string;
  /** `number`: digits behind the letter. `slashed`: text between slashes. `text`: the rest of the flags. */
  readonly value: 'none' | 'number' | 'slashed' | 'text';
}

export interface ReadFlags {
  /** By name; '' without a value. */
  readonly flags: ReadonlyMap<string, string>;
  readonly unknown: readonly string[];
}

export function readFlagList(text: string, spellings: readonly FlagSpelling[]): ReadFlags {
  const trimmed = text.trim();
  if (trimmed === '') return { flags: new Map(), unknown: [] };
  const named = readNames(trimmed, spellings);
  return named ?? readLetters(trimmed, spellings);
}

/** Null when the first word is no name: then it is letters. */
function readNames(text: string, spellings: readonly FlagSpelling[]): ReadFlags | null {
  const flags = new Map<string, string>();
  const unknown: string[] = [];
  const words = text.split(/,(?=\s*[a-z-]+(?:=|,|$|\s*$))/);
  for (const [index, word] of words.entries()) {
    const part = word.trim();
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals).trim();
    const value = equals === -1 ? '' : part.slice(equals + 1).trim();
    if (spellings.some((spelling) => spelling.name === name)) flags.set(name, unslashed(value));
    else if (index === 0 && !name.includes('-')) return null;
    else if (part !== '') unknown.push(part);
  }
  return { flags, unknown };
}

function readLetters(text: string, spellings: readonly FlagSpelling[]): ReadFlags {
  const flags = new Map<string, string>();
  const unknown: string[] = [];
  for (let position = 0; position < text.length; ) {
    const letter = text[position]!;
    position++;
    const spelling = spellings.find((candidate) => candidate.letter === letter);
    if (spelling === undefined) {
      if (letter !== ',' && letter !== ' ') unknown.push(letter);
      continue;
    }
    const end = valueEnd(text, position, spelling.value);
    flags.set(spelling.name, unslashed(text.slice(position, end)));
    position = end;
  }
  return { flags, unknown };
}

function valueEnd(text: string, start: number, kind: FlagSpelling['value']): number {
  if (kind === 'none') return start;
  if (kind === 'text') return text.length;
  if (kind === 'slashed') {
    const close = text.startsWith('/', start) ? text.indexOf('/', start + 1) : -1;
    return close === -1 ? start : close + 1;
  }
  let end = start;
  while (end < text.length && text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57) end++;
  return end;
}

function unslashed(value: string): string {
  return value.length > 1 && value.startsWith('/') && value.endsWith('/') ? value.slice(1, -1) : value;
}
