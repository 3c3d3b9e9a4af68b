/**
 * The other end of the control socket: asks a running node one thing, or listens to what it streams. JSON-RPC 2.0,
 * one JSON object per line.
 */

import { connect, type Socket } from 'node:net';
import { Failure } from '#util/failure.ts';

export interface ControlQuestion {
  readonly method: string;
  /** An object (by name) or an array (by position). */
  readonly parameters: Readonly<Record<string, unknown>> | readonly unknown[];
  /** How long to wait for the answer. */
  readonly milliseconds: number;
}

const connectMilliseconds = 2000;
/** An answer longer than this is no answer: some 200,000 contacts fit. */
const answerCharactersMax = 256 * 1024 * 1024;

interface Reply {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  readonly params?: unknown;
}

/**
 * Asks the node whose control socket is `path`.
 * Failures: NET_CONTROL_UNREACHABLE, NET_CONTROL_SILENT, NET_CONTROL_BROKEN, NET_CONTROL_REFUSED (the node's own
 * error, in its words).
 */
export function askControl(path: string, question: ControlQuestion): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (outcome: unknown): void => {
      clearTimeout(alarm);
      socket.destroy();
      resolve(outcome);
    };
    const tooLate = (): void => {
      const seconds = question.milliseconds / 1000;
      end(new Failure('NET_CONTROL_SILENT', `${path}: no answer to ${question.method} within ${seconds} s`));
    };
    const alarm = setTimeout(tooLate, connectMilliseconds + question.milliseconds);
    readLines(socket, path, {
      onLine: (line) => {
        const reply = parseReply(line, path);
        // Notifications of a stream have no id and are not ours.
        if (reply instanceof Failure || reply.id !== undefined) end(answerOf(reply));
      },
      onEnd: end,
    });
    socket.once('connect', () => send(socket, question));
  });
}

/**
 * Subscribes to a stream. `onRecord` gets the `params` of each notification until `signal` aborts or the node goes;
 * resolves to null after an abort. Failures: as {@link askControl}.
 */
export function watchControl(
  path: string,
  question: ControlQuestion,
  onRecord: (record: unknown) => void,
  signal: AbortSignal,
): Promise<Failure | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (outcome: Failure | null): void => {
      socket.destroy();
      resolve(outcome);
    };
    signal.addEventListener('abort', () => end(null), { once: true });
    readLines(socket, path, {
      onLine: (line) => {
        const reply = parseReply(line, path);
        if (reply instanceof Failure) end(reply);
        else if (reply.error !== undefined) end(answerOf(reply) as Failure);
        else if (reply.params !== undefined) onRecord(reply.params);
      },
      onEnd: end,
    });
    socket.once('connect', () => send(socket, question));
  });
}

function send(socket: Socket, question: ControlQuestion): void {
  const { method, parameters: params } = question;
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 })}\n`);
}

function readLines(
  socket: Socket,
  path: string,
  user: { onLine: (line: string) => void; onEnd: (failure: Failure) => void },
): void {
  // Pieces are joined once per line: an answer of many megabytes comes in thousands of them.
  let pieces: string[] = [];
  let characters = 0;
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = chunk.split('\n');
    for (const [index, part] of lines.entries()) {
      pieces.push(part);
      characters += part.length;
      if (index === lines.length - 1) break;
      const line = pieces.join('');
      pieces = [];
      characters = 0;
      if (line !== '') user.onLine(line);
    }
    if (characters > answerCharactersMax) user.onEnd(broken(path, 'the answer is too long'));
  });
  socket.on('error', (error: NodeJS.ErrnoException) => user.onEnd(unreachable(path, error)));
  socket.on('close', () => user.onEnd(broken(path, 'the node closed the connection')));
}

function parseReply(line: string, path: string): Reply | Failure {
  try {
    return JSON.parse(line) as Reply;
  } catch {
    return broken(path, 'the answer is not JSON');
  }
}

function answerOf(reply: Reply | Failure): unknown {
  if (reply instanceof Failure) return reply;
  if (reply.error === undefined) return reply.result;
  const { code, message, data } = reply.error;
  const detail = data === undefined ? '' : `: ${typeof data === 'string' ? data : JSON.stringify(data)}`;
  return new Failure('NET_CONTROL_REFUSED', `${message}${detail} (${code})`);
}

function broken(path: string, problem: string): Failure {
  return new Failure('NET_CONTROL_BROKEN', `${path}: ${problem}`);
}

function unreachable(path: string, error: NodeJS.ErrnoException): Failure {
  const causes: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such control socket; is the node running, and is this its control_socket?',
    ECONNREFUSED: 'nobody listens on this control socket; the node that made it is gone',
    EACCES: 'no permission for this control socket; its owner, its group or root may use it',
  };
  return new Failure('NET_CONTROL_UNREACHABLE', `${path}: ${causes[error.code ?? ''] ?? error.message}`);
}
