/** Parameters of the module `dialog`, read once. */

import type { ParameterValues } from '#module/define.ts';
import { Failure } from '#util/failure.ts';

/** How a request within a dialog finds it. */
export const matchModes = { didOnly: 0, didFallback: 1, didNone: 2 } as const;

/** What `db_mode` means: nothing, at once, every `db_update_period`, when the node stops. */
export const databaseModes = { none: 0, realtime: 1, delayed: 2, shutdown: 3 } as const;

export interface DialogSettings {
  readonly defaultSeconds: number;
  /** Name of the Record-Route parameter. */
  readonly routeParameter: string;
  readonly matchMode: number;
  /** Header lines for requests of our own, each ending in CRLF. */
  readonly extraHeaders: string;
  /** Declared profiles, without suffix: true when it has values. */
  readonly profiles: ReadonlyMap<string, boolean>;
  readonly databaseMode: number;
  readonly databaseUrl: string | null;
  readonly tableName: string;
  readonly updateSeconds: number;
}

/** `defaultUrl`: of the script's `db_default_url`. Failures: DIALOG_MODE_UNKNOWN, DIALOG_URL_MISSING. */
export function readSettings(
  values: ParameterValues,
  defaultUrl: number | string | null,
): DialogSettings | Failure {
  const matchMode = Number(values.dlg_match_mode);
  if (!Object.values<number>(matchModes).includes(matchMode))
    return new Failure('DIALOG_MODE_UNKNOWN', `dlg_match_mode ${matchMode} is none of 0, 1, 2`);
  const databaseMode = Number(values.db_mode ?? 0);
  if (!Object.values<number>(databaseModes).includes(databaseMode))
    return new Failure('DIALOG_MODE_UNKNOWN', `db_mode ${databaseMode} is none of 0, 1, 2, 3`);
  const url = values.db_url ?? defaultUrl;
  if (databaseMode !== databaseModes.none && url === null)
    return new Failure('DIALOG_URL_MISSING', `db_mode ${databaseMode} needs db_url`);
  return {
    defaultSeconds: Number(values.default_timeout),
    routeParameter: String(values.rr_param),
    matchMode,
    extraHeaders: headerLines(values.dlg_extra_hdrs),
    profiles: new Map([
      ...profileNames(values.profiles_no_value).map((name) => [name, false] as const),
      ...profileNames(values.profiles_with_value).map((name) => [name, true] as const),
    ]),
    databaseMode,
    databaseUrl: url === null ? null : String(url),
    tableName: String(values.table_name ?? 'dialog'),
    updateSeconds: Math.max(1, Number(values.db_update_period ?? 60)),
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
