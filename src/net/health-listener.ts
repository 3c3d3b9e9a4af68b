/** The health endpoint: one small answer over HTTP, for load balancers, ExaBGP and whatever else looks. */

import { createServer, type Server } from 'node:http';
import { Failure } from '#util/failure.ts';

export interface HealthState {
  readonly isHealthy: boolean;
  readonly body: unknown;
}

/** Checkers ask once a second or so, and close. */
const connectionsMax = 64;
const requestMilliseconds = 5000;

export class HealthListener {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** GET on any path: 200 while healthy, else 503, with JSON. NET_HEALTH_UNUSABLE when the address is taken. */
  static listen(address: string, port: number, state: () => HealthState): Promise<HealthListener | Failure> {
    const server = createServer((request, response) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD' }).end();
        return;
      }
      const { isHealthy, body } = state();
      const text = `${JSON.stringify(body)}\n`;
      const headers = {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        connection: 'close',
      };
      response.writeHead(isHealthy ? 200 : 503, headers).end(request.method === 'HEAD' ? '' : text);
    });
    server.maxConnections = connectionsMax;
    server.requestTimeout = requestMilliseconds;
    server.headersTimeout = requestMilliseconds;
    return new Promise((resolve) => {
      server.once('error', (error) => {
        resolve(new Failure('NET_HEALTH_UNUSABLE', `health_socket ${address}:${port}: ${error.message}`));
      });
      server.listen(port, address, () => {
        server.on('error', () => {});
        resolve(new HealthListener(server));
      });
    });
  }

  /** The port in use: 0 was "any". */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
