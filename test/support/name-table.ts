/** A DNS in memory: tests say what it knows, and see what it was asked. */

import type { NameAnswer, NameKind, NamePort, NameRecords } from '#sip/name-port.ts';
import { Failure } from '#util/failure.ts';

type Known = {
  readonly [Kind in NameKind]?: Readonly<Record<string, NameRecords[Kind] | 'silent' | 'refused'>>;
};

export class NameTable implements NamePort {
  readonly asked: string[] = [];
  readonly #known: Known;

  constructor(known: Known) {
    this.#known = known;
  }

  ask<Kind extends NameKind>(kind: Kind, name: string, done: (answer: NameAnswer<Kind>) => void): void {
    this.asked.push(`${kind} ${name}`);
    const answer: unknown = this.#known[kind]?.[name] ?? [];
    if (answer === 'silent') done(new Failure('NET_NAME_UNANSWERED', 'silent'));
    else if (answer === 'refused') done(new Failure('NET_NAME_REFUSED', 'refused'));
    else done(answer as NameAnswer<Kind>);
  }
}
