/** The destination set: additional branches, and all of them as Contact values. */

import type { AdditionalBranch, MessageContext } from '#module/context.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { currentBranch, formatQ, parseQ } from '#modules/core/functions-branch.ts';
import { findSocket } from '#modules/core/functions-socket.ts';
import { orNull, plain, type Variable } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import { socketName } from '#util/socket-address.ts';

type Read = (branch: AdditionalBranch, core: CoreModule) => Value;
type Write = (branch: AdditionalBranch, value: Value, core: CoreModule) => void;

function text(value: Value): string {
  return value === null ? '' : String(value);
}

const fields: Readonly<Record<string, { read: Read; write: Write }>> = {
  uri: {
    read: (branch) => branch.requestUri,
    write: (branch, value) => {
      branch.requestUri = text(value);
    },
  },
  duri: {
    read: (branch) => branch.destinationUri,
    write: (branch, value) => {
      branch.destinationUri = value === null ? null : text(value);
    },
  },
  path: {
    read: (branch) => orNull(branch.path),
    write: (branch, value) => {
      branch.path = text(value);
    },
  },
  q: {
    read: (branch) => formatQ(branch.q),
    write: (branch, value) => {
      branch.q = parseQ(text(value));
    },
  },
  flags: {
    read: (branch, core) => core.flags.list('branch', branch.flags),
    write: (branch, value, core) => {
      branch.flags = text(value)
        .split(/\s+/)
        .filter((name) => name !== '')
        .reduce((bits, name) => bits | core.flags.mask('branch', name), 0);
    },
  },
  socket: {
    read: (branch) => (branch.socket === null ? null : socketName(branch.socket)),
    write: (branch, value, core) => {
      branch.socket = value === null ? null : findSocket(core.host, text(value));
    },
  },
};

/** `first` is the index of the Request-URI's own branch: OpenSIPS 4.0 counts it, earlier versions do not. */
function find(
  context: MessageContext,
  index: number | '*' | null,
  countsOwn: boolean,
): AdditionalBranch | null {
  if (index === '*') return null;
  const position = (index ?? 0) - (countsOwn ? 1 : 0);
  if (countsOwn && position === -1) return currentBranch(context);
  return context.branches.at(position) ?? null;
}

function store(context: MessageContext, branch: AdditionalBranch): void {
  context.requestUri = branch.requestUri;
  context.destinationUri = branch.destinationUri;
  context.path = branch.path;
  context.q = branch.q;
  context.branchFlags = branch.flags;
  context.sendSocket = branch.socket;
}

const oldVariable: Variable = {
  names: ['branch'],
  inner: 'required',
  help: 'An additional branch, from 0: uri, duri, path, q, flags or socket.',
  read: (core, context, field, index) => {
    const branch = find(context, index, false);
    return branch === null ? null : (fields[field ?? '']?.read(branch, core) ?? null);
  },
  write: (core, context, value, field, index) => {
    const branch = find(context, index, false);
    if (branch !== null) fields[field ?? '']?.write(branch, value, core);
  },
};

function newVariable(field: string, access: { read: Read; write: Write }): Variable {
  return {
    names: [`msg.branch.${field}`],
    inner: 'none',
    help: `${field} of a branch; index 0 is the Request-URI.`,
    read: (core, context, _inner, index) => {
      const branch = find(context, index, true);
      return branch === null ? null : access.read(branch, core);
    },
    write: (core, context, value, _inner, index) => {
      const branch = find(context, index, true);
      if (branch === null) return;
      access.write(branch, value, core);
      if ((index ?? 0) === 0) store(context, branch);
    },
  };
}

function destinationSet(context: MessageContext): string {
  const all = [currentBranch(context), ...context.branches];
  const values = all.map((branch) => `<${branch.requestUri}>${branch.q < 0 ? '' : `;q=${branch.q / 1000}`}`);
  return `Contact: ${values.join(', ')}`;
}

export const branchVariables: readonly Variable[] = [
  plain(['ds'], 'All destinations, as a Contact header.', destinationSet),
  oldVariable,
  ...Object.entries(fields).map(([field, access]) => newVariable(field, access)),
  {
    names: ['msg.branch.flag'],
    inner: 'required',
    help: '1 when the flag of the branch is set; index 0 is the Request-URI.',
    read: (core, context, name, index) => {
      const branch = find(context, index, true);
      if (branch === null) return null;
      return (branch.flags & core.flags.mask('branch', name ?? '')) === 0 ? 0 : 1;
    },
    write: (core, context, value, name, index) => {
      const branch = find(context, index, true);
      if (branch === null) return;
      const mask = core.flags.mask('branch', name ?? '');
      const isOn = value !== null && value !== 0 && value !== '';
      branch.flags = isOn ? branch.flags | mask : branch.flags & ~mask;
      if ((index ?? 0) === 0) store(context, branch);
    },
  },
  plain(['msg.branch.last_idx'], 'Index of the last branch.', (context) => context.branches.length),
];
