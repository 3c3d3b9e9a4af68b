/** What the flags of one save() change in the registrar's rules. */

import { type FlagSpelling, readFlagList } from '#modules/registrar/flag-list.ts';
import type { RegistrarRules } from '#registrar/registration.ts';

const spellings: readonly FlagSpelling[] = [
  { letter: 'm', name: 'memory-only', value: 'none' },
  { letter: 'r', name: 'no-reply', value: 'none' },
  { letter: 'c', name: 'max-contacts', value: 'number' },
  { letter: 'f', name: 'force-registration', value: 'none' },
  { letter: 'e', name: 'min-expires', value: 'number' },
  { letter: 'E', name: 'max-expires', value: 'number' },
  { letter: 'M', name: 'matching-mode', value: 'text' },
  { letter: 'o', name: 'only-request-contacts', value: 'none' },
  { letter: 'v', name: 'path-received', value: 'none' },
  { letter: 's', name: 'socket-header', value: 'none' },
  { letter: '', name: 'path-off', value: 'none' },
  { letter: '', name: 'path-lazy', value: 'none' },
  { letter: '', name: 'path-strict', value: 'none' },
  { letter: 'p', name: 'path', value: 'number' },
];

export interface SaveOptions {
  readonly rules: RegistrarRules;
  readonly replies: boolean;
  /** The reply lists the contacts of the request alone. */
  readonly onlyRequestContacts: boolean;
  /** Socket taken from the header that `sock_hdr_name` names. */
  readonly readsSocketHeader: boolean;
  readonly unknown: readonly string[];
}

export function readSaveOptions(text: string, rules: RegistrarRules): SaveOptions {
  const { flags, unknown } = readFlagList(text, spellings);
  const number = (name: string, otherwise: number): number => {
    const value = flags.get(name);
    return value === undefined || !/^\d+$/.test(value) ? otherwise : Number(value);
  };
  const matching = flags.get('matching-mode');
  return {
    rules: {
      ...rules,
      minSeconds: number('min-expires', rules.minSeconds),
      maxSeconds: number('max-expires', rules.maxSeconds),
      contactsMax: number('max-contacts', rules.contactsMax),
      replacesOldest: flags.has('force-registration'),
      pathMode: pathMode(flags) ?? rules.pathMode,
      pathReceived: rules.pathReceived || flags.has('path-received'),
      matchesCallId: matching === undefined ? rules.matchesCallId : matching === '1',
      matchedParameters:
        matching === undefined || matching === '0' || matching === '1'
          ? rules.matchedParameters
          : matching
              .replace(/[<>]/g, '')
              .split(/[,;]/)
              .map((name) => name.trim())
              .filter((name) => name !== ''),
    },
    replies: !flags.has('no-reply'),
    onlyRequestContacts: flags.has('only-request-contacts'),
    readsSocketHeader: flags.has('socket-header'),
    unknown,
  };
}

function pathMode(flags: ReadonlyMap<string, string>): RegistrarRules['pathMode'] | null {
  const old = flags.get('path');
  if (flags.has('path-strict') || old === '2' || old === '') return 'strict';
  if (flags.has('path-lazy') || old === '1') return 'lazy';
  if (flags.has('path-off') || old === '0') return 'off';
  return null;
}
