/**
 * The control socket: a UNIX stream socket that speaks JSON-RPC 2.0, one JSON object per line. What the methods do is
 * the server's; here are only lines, limits and the file.
 */

import { chmodSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { Failure } from '#util/failure.ts';

export interface ControlUser {
  /** One line without its newline. `answer` may be called later, and several times for a stream. */
  onLine(line: string, connection: ControlConnection): void;
  onClosed(connection: ControlConnection): void;
}

/** A request longer than this is no management command. */
const lineCharactersMax = 1024 * 1024;
/** People and scripts look in at once, but not by the thousand. */
const connectionsMax = 256;
/** A reader that does not read: what waits for it beyond this many bytes closes its connection. */
const unreadBytesMax = 16 * 1024 * 1024;

export class ControlConnection {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  send(value: unknown): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(`${JSON.stringify(value)}\n`);
    if (this.#socket.writableLength > unreadBytesMax) this.#socket.destroy();
  }
}

export class ControlListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly path: string;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.path = path;
  }

  /** Listens on `path`; a file left behind by a dead process is replaced, a living one's is not. */
  static async listen(path: string, user: ControlUser): Promise<ControlListener | Failure> {
    if (await isAnswering(path)) {
      return new Failure(
        'NET_CONTROL_SOCKET_UNUSABLE',
        `control_socket ${path}: another process listens on it`,
      );
    }
    const server = createServer();
    server.maxConnections = connectionsMax;
    const listener = new ControlListener(server, path);
    server.on('connection', (socket) => listener.#accept(socket, user));
    return new Promise((resolve) => {
      const refuse = (error: unknown): void => {
        const cause = error instanceof Error ? error.message : String(error);
        resolve(new Failure('NET_CONTROL_SOCKET_UNUSABLE', `control_socket ${path}: ${cause}`));
      };
      server.once('error', refuse);
      try {
        mkdirSync(dirname(path), { recursive: true });
        removeIfThere(path);
      } catch (error) {
        refuse(error);
        return;
      }
      server.listen(path, () => {
        server.off('error', refuse);
        chmodSync(path, 0o660);
        resolve(listener);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket, user: ControlUser): void {
    this.#sockets.add(socket);
    const connection = new ControlConnection(socket);
    let pending = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      pending += chunk;
      let end = pending.indexOf('\n');
      while (end !== -1) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 1);
        if (line.trim() !== '') user.onLine(line, connection);
        end = pending.indexOf('\n');
      }
      if (pending.length > lineCharactersMax) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      user.onClosed(connection);
    });
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
