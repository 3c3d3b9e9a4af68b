/**
 * REGISTERs and accounted calls at a steady rate, and what has to stand in the database because of them. A message that
 * is not answered in time is a failure: nothing is sent twice.
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlConnection } from '#db/sql-connection.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { isFailure } from '#util/failure.ts';
import { recordRoutes } from './sip-phone.ts';

const host = '127.0.0.1';
const answerMilliseconds = 3000;
const stepMilliseconds = 20;

/** The script of a node that {@link DatabaseLoad} calls for. */
export function loadScript(port: number, url: string, spool = ''): string {
  const modules = ['proto_udp', 'tm', 'sl', 'rr', 'dialog', 'usrloc', 'registrar', 'sipmsgops', 'acc'];
  return `
log_level=3
socket=udp:${host}:${port}
${modules.map((name) => `loadmodule "${name}.so"\n`).join('')}
modparam("usrloc", "working_mode_preset", "single-instance-sql-write-back")
modparam("usrloc", "timer_interval", 2)
modparam("usrloc|acc", "db_url", "${url}")
modparam("acc", "db_spool_file", "${spool}")
route {
  if (is_method("REGISTER")) { save("location"); exit; }
  if (has_totag()) loose_route();
  else record_route();
  if (is_method("INVITE")) do_accounting("db", "cdr|missed");
  if (is_method("BYE")) do_accounting("db");
  t_relay();
}
`;
}

export class DatabaseLoad {
  readonly #ports: readonly number[];
  readonly #prefix: string;
  readonly #socket: Socket = createSocket('udp4');
  readonly #waiting = new Map<string, (status: number) => void>();
  /** Call-ID → route set of the caller. */
  readonly #routes = new Map<string, string>();
  readonly failures: string[] = [];
  readonly registered = new Set<string>();
  answered = 0;
  missed = 0;
  #count = 0;
  #isRunning = false;
  readonly #open = new Set<Promise<void>>();

  /** Goes to the ports in turn; `prefix` stands before all users and Call-IDs. */
  constructor(ports: readonly number[], prefix: string) {
    this.#ports = ports;
    this.#prefix = prefix;
    this.#socket.on('message', (bytes, from) => this.#hear(bytes, from.port));
  }

  async start(): Promise<void> {
    this.#socket.bind(0, host);
    await once(this.#socket, 'listening');
    this.#isRunning = true;
    void this.#run();
  }

  /** Resolves when all that was begun has ended. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await sleep(stepMilliseconds);
    await Promise.all(this.#open);
    this.#socket.close();
  }

  async #run(): Promise<void> {
    while (this.#isRunning) {
      const number = this.#count++;
      const user = `${this.#prefix}${number}`;
      const step = Promise.all([this.#register(user), this.#call(user, number % 5 === 0)]).then(() => {
        this.#open.delete(step);
      });
      this.#open.add(step);
      await sleep(stepMilliseconds);
    }
  }

  async #register(user: string): Promise<void> {
    const contact = `<sip:${user}@192.0.2.1>;expires=600`;
    const status = await this.#ask('REGISTER', 'sip:example.org', { user, callId: `r-${user}`, contact });
    if (status === 200) this.registered.add(user);
    else this.failures.push(`REGISTER ${user}: ${status}`);
  }

  async #call(user: string, isMissed: boolean): Promise<void> {
    const uri = `sip:${isMissed ? 'busy' : 'free'}@${host}:${this.#socket.address().port}`;
    const parts = { user, callId: `c-${user}`, contact: `<sip:${user}@${host}>` };
    const status = await this.#ask('INVITE', uri, parts);
    const routes = this.#routes.get(parts.callId) ?? '';
    this.#routes.delete(parts.callId);
    if (status !== (isMissed ? 486 : 200)) this.failures.push(`INVITE ${user}: ${status}`);
    if (isMissed) {
      this.missed++;
      return;
    }
    this.#send('ACK', uri, { ...parts, toTag: 'callee', routes });
    const end = await this.#ask('BYE', uri, { ...parts, toTag: 'callee', routes });
    if (end !== 200) this.failures.push(`BYE ${user}: ${end}`);
    this.answered++;
  }

  /** The final status; 0 when none comes. */
  #ask(method: string, uri: string, parts: RequestParts): Promise<number> {
    return new Promise((resolve) => {
      const branch = this.#send(method, uri, parts);
      const timer = setTimeout(() => finish(0), answerMilliseconds);
      const finish = (status: number): void => {
        clearTimeout(timer);
        this.#waiting.delete(branch);
        resolve(status);
      };
      this.#waiting.set(branch, finish);
    });
  }

  #send(method: string, uri: string, parts: RequestParts): string {
    const branch = `z9hG4bK-${method}-${parts.callId}`;
    const { user, callId, contact, toTag, routes = '' } = parts;
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${host}:${this.#socket.address().port};branch=${branch}`,
      'Max-Forwards: 70',
      `From: <sip:${user}@example.org>;tag=caller`,
      `To: <${method === 'REGISTER' ? `sip:${user}@example.org` : uri}>${toTag === undefined ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${method === 'BYE' ? 2 : 1} ${method}`,
      `Contact: ${contact}`,
      ...(routes === '' ? [] : [`Route: ${routes}`]),
      'Content-Length: 0',
    ];
    const port = this.#ports[this.#count % this.#ports.length]!;
    this.#socket.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), port, host);
    return branch;
  }

  #hear(bytes: Buffer, port: number): void {
    const message = parseMessage(bytes.toString('latin1'));
    if (isFailure(message)) throw new Error(message.message);
    if (message.isRequest) this.#answer(message, port);
    else if (message.status >= 200) {
      if (message.method === 'INVITE')
        this.#routes.set(message.callId, recordRoutes(message).reverse().join(', '));
      this.#waiting.get(message.topVia.branch)?.(message.status);
    }
  }

  #answer(request: SipMessage, port: number): void {
    if (request.method === 'ACK') return;
    const isBusy = request.requestUri.startsWith('sip:busy');
    const text = buildResponse(request, {
      status: isBusy ? 486 : 200,
      reason: 'Test',
      toTag: 'callee',
      headers: `Contact: <${request.requestUri}>\r\n`,
    });
    this.#socket.send(Buffer.from(text, 'latin1'), port, host);
  }

  /** What is not in the tables as it should be; empty when all is. Several loads may share them. */
  async missingIn(connection: SqlConnection): Promise<string[]> {
    const problems: string[] = [];
    const compare = async (what: string, statement: string, wanted: number): Promise<void> => {
      const rows = await connection.query(statement, [`%${this.#prefix}%`]);
      if (isFailure(rows)) problems.push(rows.message);
      else if (Number(rows[0]!.n) !== wanted) problems.push(`${what}: ${rows[0]!.n} of ${wanted}`);
    };
    const count = 'SELECT COUNT(*) AS n FROM';
    const distinct = 'SELECT COUNT(DISTINCT callid, method) AS n FROM';
    await compare('rows of acc', `${count} acc WHERE callid LIKE ?`, 2 * this.answered);
    await compare('requests in acc', `${distinct} acc WHERE callid LIKE ?`, 2 * this.answered);
    await compare('rows of missed_calls', `${count} missed_calls WHERE callid LIKE ?`, this.missed);
    await compare('calls in missed_calls', `${distinct} missed_calls WHERE callid LIKE ?`, this.missed);
    await compare('location', `${count} location WHERE username LIKE ?`, this.registered.size);
    return problems;
  }
}

interface RequestParts {
  readonly user: string;
  readonly callId: string;
  readonly contact: string;
  readonly toTag?: string;
  /** Value of the Route header. */
  readonly routes?: string;
}
