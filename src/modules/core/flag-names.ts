/** Names of flags and their bits. A name gets its bit from the host at its first use and keeps it. */

import type { ModuleHost } from '#module/host.ts';
import { isFailure } from '#util/failure.ts';

export type FlagKind = 'message' | 'branch';

export class FlagNames {
  readonly #host: ModuleHost;
  readonly #masks: Readonly<Record<FlagKind, Map<string, number>>> = {
    message: new Map(),
    branch: new Map(),
  };

  constructor(host: ModuleHost) {
    this.#host = host;
  }

  /** 0 when all bits of that kind are taken; said once in the log. */
  mask(kind: FlagKind, name: string): number {
    const known = this.#masks[kind].get(name);
    if (known !== undefined) return known;
    const bit = this.#host.flagBit(kind, name);
    if (isFailure(bit)) this.#host.log.error(bit.message, { code: bit.code });
    const mask = isFailure(bit) ? 0 : bit;
    this.#masks[kind].set(name, mask);
    return mask;
  }

  /** Names of the set bits that scripts on this node have used, separated by blanks. */
  list(kind: FlagKind, bits: number): string {
    const names: string[] = [];
    for (const [name, mask] of this.#masks[kind]) if ((bits & mask) !== 0) names.push(name);
    return names.join(' ');
  }
}
