/**
 * The protocols of claims, takeover and leases as Promela models, every order of events of three nodes with one crash, one
 * restart and one cut link: spin makes the checker, gcc builds it, and it visits all states. Each rule of the protocol
 * is also left out in turn, and then the checker must find what goes wrong: a model that cannot fail shows nothing.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isInstalled } from '../../scripts/system-programs.ts';

const models = [
  {
    file: 'claims.pml',
    shows: 'one owner of a transaction, which all know, and no 481 to the CANCEL of a transaction that lives',
    rules: {
      NO_WINNER: 'of two claims one wins',
      NO_ASK: 'peers are asked when no claim is known',
      NO_INCARNATION: 'claims of a former life count for nothing',
      NO_ONWARD: 'who withdrew hands a CANCEL on to the winner',
    },
  },
  {
    file: 'takeover.pml',
    shows:
      'a call has one outcome, at most one node has it in the end, and what its successor held is not lost',
    rules: {
      NO_UNSURE: 'a lost link is no death yet',
      NO_HALF: 'a smaller part of the cluster adopts nothing',
      NO_ADOPTED: 'a life that comes back is told what was adopted',
      NO_ENDED: 'and says what of it was over',
      NO_DOUBT: 'who stood still lets no timeout speak before it has heard its peers',
      NO_INCARNATION: 'a restarted node is another life',
      NO_HEIR: 'who goes on is known, and heard',
    },
  },
  {
    file: 'leases.pml',
    shows: 'a sharing tag has one holder at most, whatever is late, lost, cut or dead',
    rules: {
      NO_MAJORITY: 'a majority must grant it',
      NO_PROMISE: 'a grant is a promise for the time of a lease',
      NO_YOUTH: 'who has just started votes for nobody new',
      NO_ASKED: 'a lease counts from when it was asked for',
    },
  },
] as const;

/** States that the checker may look at; a model that grows beyond has lost its bound. */
const checkerParameters = ['-m100000', '-w24'];

function missing(): string {
  const absent = ['spin', 'gcc'].filter((command) => !isInstalled(command));
  return absent.length === 0 ? '' : `no ${absent.join(', no ')} here`;
}

function run(folder: string, command: string, parameters: readonly string[]): string {
  const result = spawnSync(command, parameters, { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  if (result.error) throw result.error;
  return result.stdout + result.stderr;
}

interface Verdict {
  readonly errors: number;
  readonly states: number;
  readonly isComplete: boolean;
  readonly text: string;
}

/** `leftOut`: the rule that is not kept, '' for none. */
function check(file: string, leftOut: string): Verdict {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-model-'));
  try {
    const source = join(import.meta.dirname, file);
    const defines = leftOut === '' ? [] : [`-D${leftOut}`];
    const made = run(folder, 'spin', [...defines, '-a', source]);
    const built = run(folder, 'gcc', ['-O0', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c']);
    const text = run(folder, join(folder, 'pan'), checkerParameters);
    const errors = /errors: (\d+)/.exec(text)?.[1];
    if (errors === undefined) throw new Error(`no verdict:\n${made}${built}${text}`);
    return {
      errors: Number(errors),
      states: Number(/(\d+) states, stored/.exec(text)![1]),
      isComplete: !/max search depth|Search not completed|out of memory|too small/.test(text),
      text,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const reason = missing();
if (reason !== '')
  console.log(`Skipped: models of the cluster protocols: ${reason} (npm test installs them as root).`);

describe.skipIf(reason !== '').each(models)('the model $file', ({ file, shows, rules }) => {
  it(`shows: ${shows}`, () => {
    const { errors, states, isComplete, text } = check(file, '');
    expect(errors, text).toBe(0);
    expect(isComplete, text).toBe(true);
    // Fewer would mean that most of it can no longer happen.
    expect(states).toBeGreaterThan(10_000);
  });

  it.each(Object.entries(rules))('fails without %s: %s', (rule) => {
    expect(check(file, rule).errors).toBeGreaterThan(0);
  });

  it('names the rules that can be left out', () => {
    const named = readFileSync(join(import.meta.dirname, file), 'utf8').match(/-DNO_\w+/g) ?? [];
    expect(named.map((name) => name.slice(2)).sort()).toEqual(Object.keys(rules).sort());
  });
});
