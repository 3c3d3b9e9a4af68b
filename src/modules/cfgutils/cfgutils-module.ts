/** What cfgutils keeps on one node: shared variables and the probability of `rand_event`. */

import { randomInt } from 'node:crypto';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { Value } from '#script/value.ts';
import { detach } from '#sip/serialize.ts';
import { Failure, isFailure } from '#util/failure.ts';

const randomMax = 0x7fffffff;
/** Names may come from messages; a node must not run out of memory by them. */
const sharedVariablesMax = 100_000;

export class CfgutilsModule {
  readonly host: ModuleHost;
  readonly initialProbability: number;
  readonly shared = new Map<string, Value>();
  #probability: number;

  private constructor(host: ModuleHost, probability: number) {
    this.host = host;
    this.initialProbability = probability;
    this.#probability = probability;
  }

  /** A Failure when `shvset` has not its form. */
  static create(host: ModuleHost, parameters: ParameterValues): CfgutilsModule | Failure {
    const probability = Number(parameters.initial_probability);
    const module = new CfgutilsModule(host, probability);
    if (!module.setProbability(probability)) {
      return new Failure(
        'CFGUTILS_PROBABILITY_INVALID',
        `initial_probability ${probability} is not in 0…100`,
      );
    }
    for (const text of (parameters.shvset ?? []) as readonly string[]) {
      const entry = parseSetting(text);
      if (isFailure(entry)) return entry;
      module.shared.set(entry.name, entry.value);
    }
    return module;
  }

  get probability(): number {
    return this.#probability;
  }

  setProbability(perCent: number): boolean {
    if (!Number.isInteger(perCent) || perCent < 0 || perCent > 100) return false;
    this.#probability = perCent;
    return true;
  }

  setProbabilityFromOutside(perCent: number): unknown {
    if (this.setProbability(perCent)) return 'OK';
    return new Failure('CFGUTILS_PROBABILITY_INVALID', 'the probability must be 0…100');
  }

  happens(perCent: number | null): boolean {
    return randomInt(100) < (perCent ?? this.#probability);
  }

  random(): number {
    return randomInt(randomMax);
  }

  shuffled(values: readonly Value[]): Value[] {
    const result = [...values];
    for (let last = result.length - 1; last > 0; last--) {
      const other = randomInt(last + 1);
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }

  /** Null removes the variable. */
  share(name: string, value: Value): void {
    if (value === null) this.shared.delete(name);
    else if (this.shared.has(name) || this.shared.size < sharedVariablesMax)
      // A slice of a message would keep the whole message in memory.
      this.shared.set(detach(name), typeof value === 'string' ? detach(value) : value);
    else
      this.host.log.warn(`$shv(${name}): ${sharedVariablesMax} shared variables are the most there can be`);
  }

  list(name: string | null): unknown {
    const entry = (key: string, value: Value): unknown => ({
      name: key,
      type: typeof value === 'number' ? 'integer' : 'string',
      value,
    });
    if (name === null) return [...this.shared].map(([key, value]) => entry(key, value));
    const value = this.shared.get(name);
    if (value === undefined) return new Failure('404', `no shared variable "${name}"`);
    return entry(name, value);
  }

  setFromOutside(name: string, type: string, value: string): unknown {
    const isNumber = type === 'int' || type === 'i';
    if (!isNumber && type !== 'str' && type !== 's') {
      return new Failure('CFGUTILS_TYPE_UNKNOWN', `"${type}" is neither "str" nor "int"`);
    }
    if (isNumber && !/^[+-]?\d+$/.test(value)) {
      return new Failure('CFGUTILS_NUMBER_INVALID', `"${value}" is no number`);
    }
    this.share(name, isNumber ? Number(value) : value);
    return 'OK';
  }
}

/** `name=s:text`, `name=i:5`. */
function parseSetting(text: string): { name: string; value: Value } | Failure {
  const match = /^\s*([^=\s]+)\s*=\s*([sSiI]):(.*)$/.exec(text);
  const isNumber = match?.[2]?.toLowerCase() === 'i';
  if (match === null || (isNumber && !/^\s*[+-]?\d+\s*$/.test(match[3]!))) {
    return new Failure('CFGUTILS_SETTING_INVALID', `shvset "${text}": expected name=s:text or name=i:number`);
  }
  return { name: match[1]!, value: isNumber ? Number(match[3]) : match[3]! };
}
