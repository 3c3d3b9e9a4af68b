/** The three nodes of the first run: child processes in a folder of their own, on one loopback address. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { insertLoopbackMembers } from '#db/quick-members.ts';
import { askControl } from '#net/control-client.ts';
import { systemClock } from '#net/system-clock.ts';
import { UdpListener } from '#net/udp-listener.ts';
import { Failure, isFailure } from '#util/failure.ts';

export const nodeIds = [1, 2, 3] as const;
const startMilliseconds = 15_000;
const stopMilliseconds = 5000;

export interface RunningNodes {
  readonly sipPort: number;
  controlSocket(node: number): string;
  stop(): Promise<void>;
}

/** Below those that the kernel gives to outgoing connections, one of which might take a port before its node does. */
const ports = { first: 20_000, count: 10_000, attempts: 20 } as const;

/** A UDP port that is free now and none of `taken`. */
export async function freePort(taken: readonly number[] = []): Promise<number | Failure> {
  let last: Failure | null = null;
  for (let attempt = 0; attempt < ports.attempts; attempt++) {
    const port = ports.first + Math.floor(Math.random() * ports.count);
    if (taken.includes(port)) continue;
    const address = { address: '127.0.0.1', port, advertisedAddress: '127.0.0.1', advertisedPort: port };
    const socket = { ...address, index: 0, protocol: 'udp', anycast: false, tag: '' } as const;
    const listener = await UdpListener.bind(socket, { onDatagram: () => {}, onSendError: () => {} }, false);
    if (!isFailure(listener)) {
      listener.close();
      return port;
    }
    last = listener;
  }
  return last ?? new Failure('QUICKSTART_PORT_MISSING', 'no free UDP port on 127.0.0.1');
}

/** Starts the nodes and waits until each sees the other two. */
export async function startNodes(folder: string, program: string): Promise<RunningNodes | Failure> {
  const found: number[] = [];
  for (let count = 0; count < 4; count++) {
    const port = await freePort(found);
    if (isFailure(port)) return port;
    found.push(port);
  }
  const [sipPort, ...binPorts] = found as [number, ...number[]];
  const laid = await layDatabase(join(folder, 'anyvia.db'), binPorts);
  if (laid !== null) return laid;
  const children = nodeIds.map((node) =>
    startNode(folder, program, { node, sipPort, binPort: binPorts[node - 1]! }),
  );
  const nodes: RunningNodes = {
    sipPort,
    controlSocket: (node) => join(folder, `node-${node}.sock`),
    stop: () => stopAll(folder, children),
  };
  const problem = await untilJoined(nodes, children);
  if (problem === null) return nodes;
  await nodes.stop();
  return problem;
}

async function layDatabase(path: string, binPorts: readonly number[]): Promise<Failure | null> {
  const connection = openDatabase(`sqlite://${path}`, systemClock);
  if (isFailure(connection)) return connection;
  const made = await connection.createDatabase();
  if (made instanceof Failure) return made;
  const migrated = await applyMigrations(connection);
  const problem = migrated instanceof Failure ? migrated : await insertLoopbackMembers(connection, binPorts);
  await connection.close();
  return problem;
}

interface Place {
  readonly node: number;
  readonly sipPort: number;
  readonly binPort: number;
}

function startNode(folder: string, program: string, place: Place): ChildProcess {
  const template = readFileSync(new URL('../../config/quickstart.cfg', import.meta.url), 'utf8');
  const script = template
    .replaceAll('/tmp/anyvia-quickstart/node-1', join(folder, `node-${place.node}`))
    .replaceAll('/tmp/anyvia-quickstart', folder)
    .replace('udp:127.0.0.1:5060', `udp:127.0.0.1:${place.sipPort}`)
    .replace('bin:127.0.0.1:5566', `bin:127.0.0.1:${place.binPort}`)
    .replace('"my_node_id", 1', `"my_node_id", ${place.node}`);
  const file = join(folder, `node-${place.node}.cfg`);
  writeFileSync(file, script);
  return spawn(process.execPath, [program, 'start', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function untilJoined(nodes: RunningNodes, children: readonly ChildProcess[]): Promise<Failure | null> {
  const until = Date.now() + startMilliseconds;
  for (;;) {
    const dead = children.findIndex((child) => child.exitCode !== null);
    if (dead !== -1) {
      return new Failure(
        'QUICKSTART_NODE_ENDED',
        `node ${dead + 1} ended with code ${children[dead]!.exitCode}`,
      );
    }
    const joined = await Promise.all(nodeIds.map((node) => seesOthers(nodes.controlSocket(node))));
    if (joined.every((isJoined) => isJoined)) return null;
    if (Date.now() > until)
      return new Failure('QUICKSTART_NODES_SILENT', 'the nodes did not find each other in time');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function seesOthers(socket: string): Promise<boolean> {
  const view = await askControl(socket, { method: 'anyvia:cluster', parameters: {}, milliseconds: 1000 });
  if (isFailure(view)) return false;
  const { peers } = view as { peers: readonly { state: string }[] };
  return peers.length === 2 && peers.every((peer) => peer.state === 'up');
}

async function stopAll(folder: string, children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child, index) => {
      if (child.exitCode !== null) return;
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      const socket = join(folder, `node-${index + 1}.sock`);
      const asked = await askControl(socket, { method: 'anyvia:stop', parameters: {}, milliseconds: 1000 });
      if (isFailure(asked)) child.kill('SIGTERM');
      const alarm = setTimeout(() => child.kill('SIGKILL'), stopMilliseconds);
      await ended;
      clearTimeout(alarm);
    }),
  );
}
