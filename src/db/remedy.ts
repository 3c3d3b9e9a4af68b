/** What the operator does about a failure of a database: it stands behind the database's own words. */

const lay = ' (anyvia db create --db URL lays the tables)';

const remedies: Readonly<Record<string, string>> = {
  DB_TABLE_MISSING: lay,
  DB_DATABASE_MISSING: lay,
  DB_COLUMN_MISSING: ' (anyvia db migrate --db URL adds what is missing)',
};

/** '' where there is nothing that a command could mend. */
export function remedyFor(code: string): string {
  return remedies[code] ?? '';
}
