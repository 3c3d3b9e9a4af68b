/** How `usrloc` keeps registrations: OpenSIPS's presets, its three fine parameters and the old `db_mode`. */

import type { ParameterValues } from '#module/define.ts';
import { Failure } from '#util/failure.ts';

export interface WorkingMode {
  /** Registrations are shared with the other nodes of the cluster. */
  readonly isShared: boolean;
  readonly loadsFromDatabase: boolean;
  readonly writes: 'none' | 'write-through' | 'write-back';
}

const clusterModes = [
  'none',
  'federation',
  'federation-cachedb',
  'full-sharing',
  'full-sharing-cachedb',
  'sql-only',
];
const persistencies = ['none', 'load-from-sql', 'sync-from-cluster'];
const writeModes = ['none', 'write-through', 'write-back'];

type Writes = WorkingMode['writes'];

/** Preset → how it writes. The cluster presets write too when there is a database: it outlives the last node. */
const presets: Readonly<Record<string, Writes>> = {
  'single-instance-no-db': 'none',
  'single-instance-sql-write-through': 'write-through',
  'single-instance-sql-write-back': 'write-back',
  'sql-only': 'write-through',
  'federation-cachedb-cluster': 'write-back',
  'full-sharing-cluster': 'write-back',
  'full-sharing-cachedb-cluster': 'write-back',
};

const oldModes: readonly Writes[] = ['none', 'write-through', 'write-back', 'write-through'];

/** Failures: USRLOC_MODE_UNKNOWN, USRLOC_URL_MISSING. */
export function readWorkingMode(values: ParameterValues): WorkingMode | Failure {
  const text = (name: string): string | null => (values[name] === null ? null : String(values[name]));
  const preset = text('working_mode_preset');
  const clusterMode = text('cluster_mode');
  const persistency = text('restart_persistency');
  const writeMode = text('sql_write_mode');
  const url = text('db_url');
  const problem =
    unknown('working_mode_preset', preset, Object.keys(presets)) ??
    unknown('cluster_mode', clusterMode, clusterModes) ??
    unknown('restart_persistency', persistency, persistencies) ??
    unknown('sql_write_mode', writeMode, writeModes);
  if (problem !== null) return problem;
  const oldMode = values.db_mode === null ? null : Number(values.db_mode);
  if (oldMode !== null && oldModes[oldMode] === undefined) {
    return new Failure('USRLOC_MODE_UNKNOWN', `db_mode ${oldMode} is none of 0, 1, 2, 3`);
  }
  const fromPreset = preset === null ? null : presets[preset]!;
  const isClusterPreset = preset?.endsWith('-cluster') === true;
  let writes: Writes = fromPreset ?? (oldMode === null ? 'none' : oldModes[oldMode]!);
  if (isClusterPreset && url === null) writes = 'none';
  if (clusterMode === 'sql-only') writes = 'write-through';
  if (writeMode !== null) writes = writeMode as Writes;
  const loadsFromDatabase =
    persistency === null ? writes !== 'none' : persistency === 'load-from-sql' || writes !== 'none';
  if ((writes !== 'none' || loadsFromDatabase) && url === null) {
    return new Failure('USRLOC_URL_MISSING', 'this working mode needs db_url');
  }
  return { isShared: clusterMode !== 'none', loadsFromDatabase, writes };
}

function unknown(parameter: string, value: string | null, names: readonly string[]): Failure | null {
  if (value === null || names.includes(value)) return null;
  return new Failure('USRLOC_MODE_UNKNOWN', `${parameter} "${value}" is none of ${names.join(', ')}`);
}
