/** Additional branches: append, remove, and serial forking by q (RFC 3261 16.6, `$avp(serial_branch)` in OpenSIPS). */

import type { AdditionalBranch, MessageContext } from '#module/context.ts';
import { type ArgumentDeclaration, everyRoute, type FunctionDeclaration } from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { readUri } from '#modules/core/uri-parts.ts';
import { socketName } from '#util/socket-address.ts';

type Declaration = FunctionDeclaration<CoreModule>;

/** OpenSIPS's own limit is 12; forking wider than this is a mistake or an attack (RFC 5393). */
export const branchesMax = 32;

const serialAttribute = 'serial_branch';

const optionalText = (name: string): ArgumentDeclaration => ({ name, kind: 'string', optional: true });

/** `0.7` → 700; -1 when there is none. */
export function parseQ(text: string | null): number {
  if (text === null || text === '') return -1;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 && value <= 1 ? Math.round(value * 1000) : -1;
}

export function formatQ(q: number): string | null {
  return q < 0 ? null : String(q / 1000);
}

/** The Request-URI and all that goes with it, as a branch like the others. */
export function currentBranch(context: MessageContext): AdditionalBranch {
  return {
    requestUri: context.requestUri,
    destinationUri: context.destinationUri,
    path: context.path,
    q: context.q,
    flags: context.branchFlags,
    socket: context.sendSocket,
  };
}

function makeCurrent(context: MessageContext, branch: AdditionalBranch): void {
  context.requestUri = branch.requestUri;
  context.destinationUri = branch.destinationUri;
  context.path = branch.path;
  context.q = branch.q;
  context.branchFlags = branch.flags;
  context.sendSocket = branch.socket;
}

function append(context: MessageContext, uri: string | null, q: string | null): number {
  if (context.branches.length >= branchesMax) return -1;
  const branch = currentBranch(context);
  if (uri !== null && uri !== '') {
    if (readUri(uri) === null) return -1;
    branch.requestUri = uri;
    branch.destinationUri = null;
    branch.path = '';
  }
  branch.q = q === null ? branch.q : parseQ(q);
  context.branches.push(branch);
  return 1;
}

/** Branch n of OpenSIPS 4.0: 0 is the Request-URI. */
function readBranch(context: MessageContext, index: number): AdditionalBranch | null {
  return index === 0 ? currentBranch(context) : (context.branches[index - 1] ?? null);
}

function writeBranch(context: MessageContext, index: number, branch: AdditionalBranch): void {
  if (index === 0) makeCurrent(context, branch);
  else context.branches[index - 1] = branch;
}

function copyBranch(context: MessageContext, from: number, to: number, swap: boolean): number {
  const source = readBranch(context, from);
  const target = readBranch(context, to);
  if (source === null || target === null) return -1;
  writeBranch(context, to, source);
  if (swap) writeBranch(context, from, target);
  else if (from > 0) context.branches.splice(from - 1, 1);
  return 1;
}

interface SerialBranch extends Omit<AdditionalBranch, 'socket'> {
  /** `udp:host:port`, '' for none. */
  readonly socketName: string;
  /** Last of those that ring together. */
  readonly last: boolean;
}

/** Highest q first; `keepOrder`: every branch rings alone, in the order in which it was appended. */
function serialize(context: MessageContext, clear: boolean, keepOrder: boolean): number {
  const all = [currentBranch(context), ...context.branches];
  if (all.length === 1) return 1;
  const ordered = keepOrder ? all : all.toSorted((a, b) => Math.max(b.q, 0) - Math.max(a.q, 0));
  const groups = ordered.map((branch, index): string => {
    const next = ordered[index + 1];
    const last = next === undefined || keepOrder || Math.max(next.q, 0) !== Math.max(branch.q, 0);
    const { socket, ...rest } = branch;
    return JSON.stringify({ ...rest, socketName: socket === null ? '' : socketName(socket), last });
  });
  const kept = clear ? [] : (context.attributes.get(serialAttribute) ?? []);
  context.attributes.set(serialAttribute, [...groups, ...kept]);
  context.branches.length = 0;
  return 1;
}

/** 1 when more is left behind these, 2 when these were the last, -1 when there was nothing. */
function nextBranches(core: CoreModule, context: MessageContext): number {
  const waiting = context.attributes.get(serialAttribute) ?? [];
  if (waiting.length === 0) return -1;
  context.branches.length = 0;
  let taken = 0;
  for (const entry of waiting) {
    const { socketName: name, last, ...rest } = JSON.parse(String(entry)) as SerialBranch;
    const socket = core.host.sockets.find((candidate) => socketName(candidate) === name) ?? null;
    const branch: AdditionalBranch = { ...rest, socket };
    if (taken === 0) makeCurrent(context, branch);
    else context.branches.push(branch);
    taken++;
    if (last) break;
  }
  const left = waiting.slice(taken);
  if (left.length === 0) context.attributes.delete(serialAttribute);
  else context.attributes.set(serialAttribute, left);
  return left.length === 0 ? 2 : 1;
}

function branchPair(name: string, swap: boolean): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [
      { name: 'from', kind: 'integer' },
      { name: 'to', kind: 'integer' },
    ],
    help: `${swap ? 'Exchanges' : 'Moves'} branches; 0 is the Request-URI.`,
    call: (_core, context, from: number, to: number) => copyBranch(context, from, to, swap),
  };
}

export const branchFunctions: readonly Declaration[] = [
  ...['append_branch', 'append_branch_old'].map(
    (name): Declaration => ({
      name,
      routes: everyRoute,
      arguments: [optionalText('uri'), optionalText('q')],
      help: 'Adds a destination; without a URI a copy of the current one.',
      call: (_core, context, uri: string | null, q: string | null) => append(context, uri, q),
    }),
  ),
  {
    name: 'append_msg_branch',
    routes: everyRoute,
    arguments: [optionalText('uri'), optionalText('q'), optionalText('flags')],
    help: 'Adds a destination; without a URI a copy of the current one.',
    call: (_core, context, uri: string | null, q: string | null) => append(context, uri, q),
  },
  {
    name: 'remove_branch',
    routes: everyRoute,
    arguments: [{ name: 'index', kind: 'integer' }],
    help: 'Removes the additional branch with this index, from 0.',
    call: (_core, context, index: number) => (context.branches.splice(index, 1).length === 1 ? 1 : -1),
  },
  {
    name: 'remove_msg_branch',
    routes: everyRoute,
    arguments: [{ name: 'index', kind: 'integer' }],
    help: 'Removes a branch; 0 is the Request-URI and stays.',
    call: (_core, context, index: number) =>
      index > 0 && context.branches.splice(index - 1, 1).length === 1 ? 1 : -1,
  },
  branchPair('move_msg_branch', false),
  branchPair('swap_msg_branches', true),
  {
    name: 'serialize_branches',
    routes: everyRoute,
    arguments: [
      { name: 'clear', kind: 'integer' },
      { name: 'keep_order', kind: 'integer', optional: true },
    ],
    help: 'Puts all branches aside, ordered by q, for `next_branches` to try one after the other.',
    call: (_core, context, clear: number, keepOrder: number | null) =>
      serialize(context, clear !== 0, (keepOrder ?? 0) !== 0),
  },
  {
    name: 'next_branches',
    routes: everyRoute,
    arguments: [],
    help: 'Takes the next destinations put aside: 1 when more are left, 2 when these were the last, -1 when none.',
    call: (core, context) => nextBranches(core, context),
  },
];
