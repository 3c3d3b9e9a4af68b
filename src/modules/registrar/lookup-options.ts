/** What the flags of one lookup() ask for. */

import { type FlagSpelling, readFlagList } from '#modules/registrar/flag-list.ts';

const spellings: readonly FlagSpelling[] = [
  { letter: 'm', name: 'method-filtering', value: 'none' },
  { letter: 'b', name: 'no-branches', value: 'none' },
  { letter: 'B', name: 'to-branches-only', value: 'none' },
  { letter: 'r', name: 'branch', value: 'none' },
  { letter: 'u', name: 'ua-filtering', value: 'slashed' },
  { letter: 'i', name: 'case-insensitive', value: 'none' },
  { letter: 'e', name: 'extended-regexp', value: 'none' },
  { letter: 'g', name: 'global', value: 'none' },
  { letter: 'y', name: 'max-ping-latency', value: 'number' },
  { letter: 'Y', name: 'sort-by-latency', value: 'none' },
];

export interface LookupOptions {
  /** Contacts that do not allow the method are left out. */
  readonly filtersMethods: boolean;
  /** The best contact alone. */
  readonly noBranches: boolean;
  /** The Request-URI stays. */
  readonly branchesOnly: boolean;
  /** The branches are looked up too. */
  readonly looksUpBranches: boolean;
  /** User agents that match are wanted. */
  readonly userAgent: RegExp | null;
  readonly unknown: readonly string[];
}

export function readLookupOptions(text: string): LookupOptions {
  const { flags, unknown } = readFlagList(text, spellings);
  const problems = [...unknown];
  const pattern = flags.get('ua-filtering');
  let userAgent: RegExp | null = null;
  if (pattern !== undefined) {
    try {
      userAgent = new RegExp(pattern, flags.has('case-insensitive') ? 'i' : '');
    } catch {
      problems.push(`ua-filtering=${pattern}`);
    }
  }
  return {
    filtersMethods: flags.has('method-filtering'),
    noBranches: flags.has('no-branches'),
    branchesOnly: flags.has('to-branches-only'),
    looksUpBranches: flags.has('branch'),
    userAgent,
    unknown: problems,
  };
}
