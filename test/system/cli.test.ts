/** The program as a process, against a control socket that plays the node. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'anyvia-cli-'));
const path = join(folder, 'node.sock');

interface Request {
  readonly method: string;
  readonly params: unknown;
  readonly id: number;
}

type Answer = (request: Request, socket: Socket) => void;

let server: Server;
let requests: Request[] = [];
let answer: Answer;

function reply(result: unknown): Answer {
  return (request, socket) => socket.write(`${JSON.stringify({ jsonrpc: '2.0', result, id: request.id })}\n`);
}

function refuse(code: number, message: string, data?: string): Answer {
  return (request, socket) =>
    socket.write(`${JSON.stringify({ jsonrpc: '2.0', error: { code, message, data }, id: request.id })}\n`);
}

beforeAll(async () => {
  server = createServer((socket) => {
    let pending = '';
    socket.on('data', (chunk) => {
      pending += String(chunk);
      for (let end = pending.indexOf('\n'); end !== -1; end = pending.indexOf('\n')) {
        const request = JSON.parse(pending.slice(0, end)) as Request;
        pending = pending.slice(end + 1);
        requests.push(request);
        answer(request, socket);
      }
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
});

beforeEach(() => {
  requests = [];
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

function launch(
  parameters: readonly string[],
  socket = path,
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [program, ...parameters], {
    env: { ...process.env, ANYVIA_SOCKET: socket },
  });
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    error += String(chunk);
  });
  const outcome = new Promise<Outcome>((resolve) =>
    child.once('close', (code) => resolve({ code, out, error })),
  );
  return { child, outcome };
}

function run(parameters: readonly string[], socket?: string): Promise<Outcome> {
  return launch(parameters, socket).outcome;
}

describe('anyvia stats', () => {
  it('prints the flat object of get_statistics as JSON', async () => {
    answer = reply({ 'tm:inuse_transactions': 0, 'dialog:active_dialogs': 2 });
    const { code, out } = await run(['stats', '--json', 'tm:', 'active_dialogs']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ 'tm:inuse_transactions': 0, 'dialog:active_dialogs': 2 });
    expect(requests).toMatchObject([
      { method: 'statistics:get', params: { statistics: ['tm:', 'active_dialogs'] } },
    ]);
  });

  it('asks the whole cluster through one node', async () => {
    answer = reply({ 1: { 'tm:x': 1 }, 2: { 'tm:x': 2 } });
    const { out } = await run(['stats', '--all', '-s', path], '/nowhere');
    expect(requests[0]?.params).toEqual({ statistics: ['all'], anyvia_all: true });
    expect(out).toContain('tm:x            1       2      3\n');
  });

  it('goes on with --watch until it is interrupted, one JSON object per line', async () => {
    const { child, outcome } = launch(['stats', '--watch', '--interval', '0.05', '--json']);
    let looks = 0;
    answer = (request, socket) => {
      reply({ look: ++looks })(request, socket);
      if (looks === 3) child.kill('SIGINT');
    };
    const { code, out } = await outcome;
    expect(code).toBe(0);
    expect(out.startsWith('{"look":1}\n{"look":2}\n{"look":3}\n')).toBe(true);
  });

  it('reads an answer that comes in pieces', async () => {
    answer = (request, socket) => {
      const text = `${JSON.stringify({ jsonrpc: '2.0', result: { 'a:b': 1 }, id: request.id })}\n`;
      socket.write(text.slice(0, 9));
      setImmediate(() => socket.write(text.slice(9)));
    };
    expect((await run(['stats'])).out).toBe('a:b  1\n');
  });
});

describe('the other commands', () => {
  it.each([
    [['cluster'], 'anyvia:cluster', {}],
    [['dialogs'], 'dialog:list', {}],
    [['profiles'], 'dialog:list_all_profiles', {}],
    [['profiles', 'caller'], 'dialog:profile_get_values', { profile: 'caller' }],
    [['contacts'], 'usrloc:dump', {}],
    [['transactions', '--all'], 'anyvia:transactions', { anyvia_all: true }],
    [['drain', '--timeout', '30'], 'anyvia:drain', { timeout: 30 }],
    [['drain'], 'anyvia:drain', {}],
    [['resume'], 'anyvia:resume', {}],
    [['stop'], 'anyvia:stop', {}],
    [['reload'], 'anyvia:reload', {}],
    [['log-level'], 'log_level', {}],
    [['log-level', '4'], 'log_level', { level: '4' }],
    [['log-level', '-1'], 'log_level', { level: '-1' }],
    [['mi', 'ul_dump', 'brief=1'], 'ul_dump', { brief: '1' }],
    [['mi', 'dlg_end_dlg', '12.34'], 'dlg_end_dlg', ['12.34']],
  ])('%j asks %s %j', async (parameters, method, expected) => {
    answer = reply('OK');
    const { code, error } = await run(parameters);
    expect(error).toBe('');
    expect(code).toBe(0);
    expect(requests.map(({ method, params }) => ({ method, params }))).toEqual([
      { method, params: expected },
    ]);
  });

  it('trace prints each record until it is interrupted', async () => {
    const { child, outcome } = launch(['trace']);
    answer = (request, socket) => {
      reply('watching')(request, socket);
      const params = {
        time: 1_800_000_000_000,
        node: 2,
        event: 'relayed',
        peer: 1,
        message: '200 INVITE',
        callId: 'c1',
        address: '10.0.0.9',
        port: 5060,
      };
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'anyvia:trace', params })}\n`);
    };
    child.stdout?.once('data', () => child.kill('SIGINT'));
    const { code, out } = await outcome;
    expect(code).toBe(0);
    expect(out).toBe('08:00:00.000 node 2 relayed (node 1) 200 INVITE 10.0.0.9:5060 c1\n');
  });
});

describe('what goes wrong', () => {
  it("is the node's own word, exit 1", async () => {
    answer = refuse(-32601, 'Method not found', 'no method "nope"');
    const { code, error, out } = await run(['mi', 'nope']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toBe('anyvia: Method not found: no method "nope" (-32601) [NET_CONTROL_REFUSED]\n');
  });

  it('is a node that is not there, exit 69', async () => {
    const { code, error } = await run(['stats'], join(folder, 'missing.sock'));
    expect(code).toBe(69);
    expect(error).toContain('missing.sock: there is no such control socket');
  });

  it('is a node that goes while it is asked, exit 69', async () => {
    answer = (_, socket) => socket.destroy();
    const { code, error } = await run(['stats']);
    expect(code).toBe(69);
    expect(error).toContain('the node closed the connection');
  });

  it.each([
    [['nonsense']],
    [[]],
    [['start']],
    [['stats', '--nonsense']],
    [['stats', '--watch', '--interval', 'soon']],
    [['db', 'create']],
    [['db', 'create', '--db', 'postgres://x']],
    [['mi', 'x', 'a=b', 'c']],
  ])('is the command line %j: exit 2 and a word on stderr', async (parameters) => {
    const { code, out, error } = await run(parameters);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).not.toBe('');
  });

  it('is no error when the reader of the output has seen enough', () => {
    const result = spawnSync('sh', ['-c', `"${process.execPath}" "${program}" --help | true`], {
      encoding: 'utf8',
    });
    expect(result.stderr).toBe('');
  });
});

describe('anyvia db', () => {
  it('create lays the tables, migrate finds nothing to do', async () => {
    const url = `sqlite://${folder}/new/anyvia.db`;
    const created = await run(['db', 'create', '--db', url]);
    expect(created.code).toBe(0);
    expect(created.out).toContain('0002-clusterer\n');
    const migrated = await run(['db', 'migrate', '--db', url]);
    expect(migrated).toEqual({ code: 0, out: `${url}: nothing to do\n`, error: '' });
  });

  it('that cannot be used is named, without its password, exit 69', async () => {
    const { code, error } = await run(['db', 'create', '--db', 'mysql://u:secret@127.0.0.1:1/x']);
    expect(code).toBe(69);
    expect(error).toMatch(
      /^anyvia: mysql:\/\/u@127\.0\.0\.1:1\/x .*ECONNREFUSED.*\[DB_SERVER_UNREACHABLE\]\n$/,
    );
  });

  it('migrate refuses tables that a newer program laid, exit 69', async () => {
    const path = `${folder}/newer.db`;
    const url = `sqlite://${path}`;
    expect((await run(['db', 'create', '--db', url])).code).toBe(0);
    const { DatabaseSync } = await import('node:sqlite');
    const file = new DatabaseSync(path);
    file.exec("UPDATE version SET table_version = 1014 WHERE table_name = 'location'");
    file.close();
    const { code, error } = await run(['db', 'migrate', '--db', url]);
    expect(code).toBe(69);
    expect(error).toBe(
      `anyvia: ${url}: table location has version 1014, this program knows 1013: it needs a newer anyvia [DB_SCHEMA_NEWER]\n`,
    );
  });

  it('migrate does not make a database that is not there', async () => {
    const { code } = await run(['db', 'migrate', '--db', `sqlite://${folder}/absent.db`]);
    expect(code).toBe(69);
  });
});

describe('anyvia --version', () => {
  it('is that of the package', async () => {
    const { code, out } = await run(['--version']);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('readiness for systemd', () => {
  it('is told through systemd-notify, and a missing one is a sentence', async () => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${folder}/notified\n`, {
      mode: 0o755,
    });
    const script = `
      import { notifyService } from '#cli/service-notice.ts';
      notifyService('READY=1', 'ready', (problem) => console.log(problem));
    `;
    const notify = (search: string) =>
      spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
        cwd: join(import.meta.dirname, '..', '..'),
        env: { PATH: search, NOTIFY_SOCKET: '/nowhere' },
        encoding: 'utf8',
      });
    expect(notify(`${bin}:/usr/bin:/bin`).stdout).toBe('');
    expect(notify(folder).stdout).toContain('systemd-notify');
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(join(folder, 'notified'), 'utf8')).toBe('READY=1 STATUS=ready\n');
  });
});
