/** Parameters of the module `dialog`, read once. */

import type { ParameterValues } from '#module/define.ts';
import { Failure } from '#util/failure.ts';

/** How a request within a dialog finds it. */
export const matchModes = { didOnly: 0, didFallback: 1, didNone: 2 } as const;

export interface DialogSettings {
  readonly defaultSeconds: number;
  /** Name of the Record-Route parameter. */
  readonly routeParameter: string;
  readonly matchMode: number;
  /** Header lines for requests of our own, each ending in CRLF. */
  readonly extraHeaders: string;
  /** Declared profiles, without suffix: true when it has values. */
  readonly profiles: ReadonlyMap<string, boolean>;
}

/** Failure: DIALOG_MODE_UNKNOWN. */
export function readSettings(values: ParameterValues): DialogSettings | Failure {
  const matchMode = Number(values.dlg_match_mode);
  if (!Object.values<number>(matchModes).includes(matchMode))
    return new Failure('DIALOG_MODE_UNKNOWN', `dlg_match_mode ${matchMode} is none of 0, 1, 2`);
  return {
    defaultSeconds: Number(values.default_timeout),
    routeParameter: String(values.rr_param),
    matchMode,
    extraHeaders: headerLines(values.dlg_extra_hdrs),
    profiles: new Map([
      ...profileNames(values.profiles_no_value).map((name) => [name, false] as const),
      ...profileNames(values.profiles_with_value).map((name) => [name, true] as const),
    ]),
  };
}

/** Header lines as people write them, with `\r\n` spelled out or not, each ended by CRLF. */
export function headerLines(text: unknown): string {
  if (text === null || text === undefined) return '';
  return String(text)
    .replaceAll('\\r\\n', '\n')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => `${line}\r\n`)
    .join('');
}

/** `a;b/b; c` → names without their suffix. */
function profileNames(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  return String(value)
    .split(';')
    .map((name) => bareProfile(name.trim()))
    .filter((name) => name !== '');
}

/** `caller/b` → `caller`: every profile is shared here. */
export function bareProfile(name: string): string {
  return name.replace(/\/[bs]$/, '');
}
