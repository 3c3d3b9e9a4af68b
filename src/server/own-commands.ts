/** The management methods of the server itself, in the group `anyvia`. */

import type { CommandDeclaration } from '#module/define.ts';
import type { AnyviaNode } from '#server/compose.ts';
import type { Clock } from '#util/clock.ts';

export interface Lifecycle {
  /** Resolves when nothing of ours is in progress, or the time is over: how many transactions were left. */
  drain(timeoutSeconds: number): Promise<number>;
  resume(): void;
  stop(): void;
  reload(): Promise<unknown>;
}

interface Server {
  readonly node: AnyviaNode;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
}

/** Drain waits this long unless told otherwise: a call rings for three minutes at most. */
const drainSecondsDefault = 180;
/** A listing longer than this helps nobody; the count says how many there are. */
const transactionsListedMax = 1000;

const commands: readonly CommandDeclaration<Server>[] = [
  {
    name: 'anyvia:cluster',
    parameters: [],
    help: 'This node and its peers: state, round-trip time, queues, forwards, drops.',
    run: ({ node, clock }) => clusterOf(node, clock.monotonic()),
  },
  {
    name: 'anyvia:transactions',
    parameters: [],
    help: 'Transactions in progress that this node owns.',
    run: ({ node, clock }) => transactionsOf(node, clock.monotonic()),
  },
  {
    name: 'anyvia:drain',
    parameters: ['timeout?'],
    help: 'Takes no new work; answers when the own transactions are over or the time (seconds) is.',
    run: async ({ lifecycle }, parameters) => {
      const seconds = Number(parameters.timeout ?? drainSecondsDefault);
      const left = await lifecycle.drain(Number.isFinite(seconds) ? seconds : drainSecondsDefault);
      return { drained: left === 0, transactions: left };
    },
  },
  {
    name: 'anyvia:resume',
    parameters: [],
    help: 'Takes new work again.',
    run: ({ lifecycle }) => {
      lifecycle.resume();
      return 'OK';
    },
  },
  {
    name: 'anyvia:stop',
    parameters: [],
    help: 'Ends the process.',
    run: ({ lifecycle }) => {
      lifecycle.stop();
      return 'OK';
    },
  },
  {
    name: 'anyvia:reload',
    parameters: [],
    help: 'Reads the membership and the certificates again and applies what changed.',
    run: ({ lifecycle }) => lifecycle.reload(),
  },
];

export function addOwnCommands(server: Server): void {
  for (const command of commands) server.node.control.add(command, server);
}

function clusterOf(node: AnyviaNode, now: number): unknown {
  const { nodeId, clusterId, incarnation } = node.identity;
  return {
    node_id: nodeId,
    cluster_id: clusterId,
    incarnation,
    software: node.version,
    draining: node.ownership?.draining ?? false,
    counters: node.cluster?.counters() ?? {},
    sharing_tags: node.sharingTags?.view(now) ?? [],
    peers: (node.cluster?.peers() ?? []).map((peer) => ({
      ...peer,
      stateMilliseconds: Math.round(now - peer.since),
    })),
  };
}

function transactionsOf(node: AnyviaNode, now: number): unknown {
  const listed = node.table.describe(now, transactionsListedMax).map((transaction) => ({
    method: transaction.method,
    call_id: transaction.callId,
    state: transaction.state,
    status: transaction.status,
    age_ms: transaction.ageMilliseconds,
    source: transaction.source,
    branches: transaction.branches,
  }));
  return {
    server_transactions: node.table.serverCount,
    client_transactions: node.table.clientCount,
    transactions: listed,
  };
}
