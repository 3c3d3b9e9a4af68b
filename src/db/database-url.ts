/**
 * The URL that names a database: `mysql://user:password@host:port/name`, where several hosts of one cluster may stand
 * with commas between them, or `sqlite:///path/to/file`. Passwords never get into a message.
 */

import { Failure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

export interface DatabaseHost {
  /** Name or IP text without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface MysqlLocation {
  readonly kind: 'mysql';
  readonly user: string;
  readonly password: string;
  /** At least one; tried in this order. */
  readonly hosts: readonly DatabaseHost[];
  readonly database: string;
}

export interface SqliteLocation {
  readonly kind: 'sqlite';
  readonly path: string;
}

export type DatabaseLocation = MysqlLocation | SqliteLocation;

const mysqlPort = 3306;

/** Failures: DB_URL_INVALID. */
export function parseDatabaseUrl(url: string): DatabaseLocation | Failure {
  const separator = url.indexOf('://');
  const scheme = separator < 0 ? '' : url.slice(0, separator).toLowerCase();
  const rest = url.slice(separator + 3);
  if (scheme === 'sqlite') {
    return rest === '' ? invalid('sqlite:// without a path') : { kind: 'sqlite', path: rest };
  }
  if (scheme === 'mysql') return parseMysql(rest);
  const found = scheme === '' ? 'no scheme' : `the scheme "${scheme}"`;
  return invalid(`${found}; it begins with mysql:// or sqlite://`);
}

function parseMysql(text: string): MysqlLocation | Failure {
  // The last "@" and the last "/": passwords in OpenSIPS scripts hold both, unescaped.
  const at = text.lastIndexOf('@');
  const slash = text.lastIndexOf('/');
  if (slash < 0 || slash < at) return invalid('mysql:// without /NAME of the database at the end');
  const database = decode(text.slice(slash + 1));
  if (database === '') return invalid('mysql:// with an empty database name');
  const credentials = at < 0 ? '' : text.slice(0, at);
  const colon = credentials.indexOf(':');
  const user = decode(colon < 0 ? credentials : credentials.slice(0, colon));
  const password = colon < 0 ? '' : decode(credentials.slice(colon + 1));
  if (user === '') return invalid('mysql:// without a user name');
  const hosts: DatabaseHost[] = [];
  for (const part of text.slice(at + 1, slash).split(',')) {
    const host = parseHost(part.trim());
    if (host instanceof Failure) return host;
    hosts.push(host);
  }
  return { kind: 'mysql', user, password, hosts, database };
}

function parseHost(text: string): DatabaseHost | Failure {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const colon = text.indexOf(':', bracket + 1);
  const host = bracket > 0 ? text.slice(1, bracket) : colon < 0 ? text : text.slice(0, colon);
  if (host === '' || (text.startsWith('[') && bracket < 0)) return invalid(`the host "${text}"`);
  if (colon < 0) return { host, port: mysqlPort };
  const port = Number(text.slice(colon + 1));
  if (!Number.isInteger(port) || port < 1 || port > 65535) return invalid(`the port of the host "${text}"`);
  return { host, port };
}

/** Percent escapes, where they are well formed; else the text as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(problem: string): Failure {
  return new Failure('DB_URL_INVALID', `database URL: ${problem}`);
}

/** The URL as it may be printed: with the user, without the password. */
export function describeLocation(location: DatabaseLocation): string {
  if (location.kind === 'sqlite') return `sqlite://${location.path}`;
  const hosts = location.hosts.map(describeHost).join(',');
  return `mysql://${location.user}@${hosts}/${location.database}`;
}

export function describeHost(host: DatabaseHost): string {
  return `${bracketed(host.host)}:${host.port}`;
}
