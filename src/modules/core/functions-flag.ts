/** Message and branch flags. */

import type { MessageContext } from '#module/context.ts';
import { type ArgumentDeclaration, everyRoute, type FunctionDeclaration } from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { Failure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<CoreModule>;

/** OpenSIPS 2.4 wrote `setbflag(branch, FLAG)`, later `setbflag(FLAG, branch)`: a name never is a number there. */
const flag: ArgumentDeclaration = { name: 'flag', kind: 'static', parse: parseFlag };
const second: ArgumentDeclaration = {
  name: 'branch_idx',
  kind: 'static',
  optional: true,
  parse: (text) => text,
};

function parseFlag(literal: string): string | Failure {
  if (/^[A-Za-z0-9_.-]+$/.test(literal)) return literal;
  return new Failure('CORE_FLAG_INVALID', `"${literal}" is no name of a flag`);
}

function messageFlag(
  name: string,
  help: string,
  act: (context: MessageContext, mask: number) => number,
): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [flag],
    help,
    call: (core, context, text: string) => act(context, core.flags.mask('message', text)),
  };
}

interface FlagHolder {
  flags: number;
}

/** Branch 0 is the Request-URI itself; null when there is no such branch. */
export function branchFlagHolder(context: MessageContext, index: number): FlagHolder | null {
  if (index > 0) return context.branches[index - 1] ?? null;
  return {
    get flags() {
      return context.branchFlags;
    },
    set flags(bits: number) {
      context.branchFlags = bits;
    },
  };
}

function branchFlag(
  name: string,
  help: string,
  act: (holder: FlagHolder, mask: number) => number,
): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [flag, second],
    help,
    call: (core, context, first: string, other: string | null) => {
      const isOldOrder = other !== null && /^\d+$/.test(first) && !/^\d+$/.test(other);
      const text = isOldOrder ? other : first;
      const index = Number((isOldOrder ? first : other) ?? '0');
      const holder = branchFlagHolder(context, index);
      return holder === null ? -1 : act(holder, core.flags.mask('branch', text));
    },
  };
}

export const flagFunctions: readonly Declaration[] = [
  messageFlag('setflag', 'Sets a message flag.', (context, mask) => {
    context.messageFlags |= mask;
    return mask === 0 ? -1 : 1;
  }),
  messageFlag('resetflag', 'Clears a message flag.', (context, mask) => {
    context.messageFlags &= ~mask;
    return 1;
  }),
  messageFlag('isflagset', 'True when the message flag is set.', (context, mask) =>
    (context.messageFlags & mask) === 0 ? -1 : 1,
  ),
  branchFlag('setbflag', 'Sets a flag of a branch (0, the Request-URI, unless named).', (holder, mask) => {
    holder.flags |= mask;
    return mask === 0 ? -1 : 1;
  }),
  branchFlag('resetbflag', 'Clears a flag of a branch.', (holder, mask) => {
    holder.flags &= ~mask;
    return 1;
  }),
  branchFlag('isbflagset', 'True when the flag of the branch is set.', (holder, mask) =>
    (holder.flags & mask) === 0 ? -1 : 1,
  ),
];
