/** What modules with tables have in common: where the database is, and parameters that name columns. */

import type { ParameterDeclaration, ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { type TableSource, tableService } from '#module/services.ts';
import { Failure } from '#util/failure.ts';

export const urlParameter: ParameterDeclaration = {
  name: 'db_url',
  kind: 'string',
  default: null,
  help: 'mysql://… or sqlite://…; unset: db_default_url.',
};

/** The database of `db_url`. Failures: MODULE_DATABASE_MISSING, DB_URL_INVALID. */
export function openTables(host: ModuleHost, values: ParameterValues): TableSource | Failure {
  const url = values.db_url ?? host.globalParameter('db_default_url');
  if (typeof url !== 'string') return new Failure('MODULE_DATABASE_MISSING', 'set db_url, or db_default_url');
  const service = host.optionalService(tableService);
  return service?.open(url) ?? new Failure('MODULE_DATABASE_MISSING', 'there is no database here');
}

/** A text parameter; for names of tables and columns. */
export function nameParameter(name: string, value: string, help: string): ParameterDeclaration {
  return { name, kind: 'string', default: value, help };
}
