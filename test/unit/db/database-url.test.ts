import { describe, expect, it } from 'vitest';
import { describeLocation, parseDatabaseUrl } from '#db/database-url.ts';
import { Failure } from '#util/failure.ts';

function parse(url: string) {
  const location = parseDatabaseUrl(url);
  if (location instanceof Failure) throw new Error(location.message);
  return location;
}

describe('parseDatabaseUrl', () => {
  it.each([
    ['mysql://opensips:lab@10.10.0.10/opensips', [{ host: '10.10.0.10', port: 3306 }], 'lab'],
    ['mysql://opensips@db/opensips', [{ host: 'db', port: 3306 }], ''],
    [
      'mysql://opensips:lab@db1:3307,[fd00::1]:3308,db3/opensips',
      [
        { host: 'db1', port: 3307 },
        { host: 'fd00::1', port: 3308 },
        { host: 'db3', port: 3306 },
      ],
      'lab',
    ],
    ['mysql://opensips:p@ss:w/rd@db/opensips', [{ host: 'db', port: 3306 }], 'p@ss:w/rd'],
    ['mysql://opensips:p%40ss%2F@db/opensips', [{ host: 'db', port: 3306 }], 'p@ss/'],
    ['mysql://opensips:100%@db/opensips', [{ host: 'db', port: 3306 }], '100%'],
  ])('reads %s', (url, hosts, password) => {
    expect(parse(url)).toEqual({ kind: 'mysql', user: 'opensips', password, hosts, database: 'opensips' });
  });

  it('reads the path of a file', () => {
    expect(parse('sqlite:///var/lib/anyvia/anyvia.db')).toEqual({
      kind: 'sqlite',
      path: '/var/lib/anyvia/anyvia.db',
    });
  });

  it.each([
    ['postgres://a:b@c/d', 'the scheme "postgres"'],
    ['anyvia.db', 'no scheme'],
    ['sqlite://', 'without a path'],
    ['mysql://user:secret@host', 'without /NAME'],
    ['mysql://user:secret@host/', 'empty database name'],
    ['mysql://host/name', 'without a user'],
    ['mysql://user:secret@/name', 'the host ""'],
    ['mysql://user:secret@host:0/name', 'the port'],
    ['mysql://user:secret@[fd00::1/name', 'the host'],
  ])('refuses %s and says why, without the password', (url, cause) => {
    const failure = parseDatabaseUrl(url) as Failure;
    expect(failure.code).toBe('DB_URL_INVALID');
    expect(failure.message).toContain(cause);
    expect(failure.message).not.toContain('secret');
  });
});

describe('describeLocation', () => {
  it('leaves the password out', () => {
    expect(describeLocation(parse('mysql://u:secret@a:1,[fd00::1]/n'))).toBe(
      'mysql://u@a:1,[fd00::1]:3306/n',
    );
    expect(describeLocation(parse('sqlite:///x'))).toBe('sqlite:///x');
  });
});
