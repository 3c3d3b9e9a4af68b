/**
 * The way out when no claim is known: a CANCEL or an ACK may have overtaken the claim, so every live peer is asked and
 * the owner's yes decides. Who keeps a copy for the owner's death is taken only when no owner is left to say yes: it
 * cannot do anything with the message while the owner lives. Bounded in time; a peer that goes down has said no.
 */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { frameTypes } from '#cluster/frame.ts';
import type { FrameSender } from '#cluster/frame-sender.ts';
import { latin1, struct, u8, u32 } from '#util/codec.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export const askCodec = struct<{ readonly id: number; readonly key: string }>({ id: u32, key: latin1 });
/** What a peer has of a transaction: nothing, the transaction itself, or a copy to go on with when its owner dies. */
export const holdings = { nothing: 0, transaction: 1, copy: 2 } as const;

export interface OwnerAnswer {
  readonly id: number;
  /** One of {@link holdings}. */
  readonly holds: number;
}

export const answerCodec = struct<OwnerAnswer>({ id: u32, holds: u8 });

/** `everyoneAnswered` is false when the time was over, or a question could not be sent: a null is a guess then. */
export type OwnerFound = (owner: ClaimOwner | null, now: number, everyoneAnswered: boolean) => void;

/** Questions open at once. Beyond it the answer is "nobody", which costs a 481 and not the node. */
const questionsMax = 8192;

class Question implements TimerTarget {
  readonly done: OwnerFound;
  readonly #expire: (now: number) => void;
  readonly waitingFor: Set<number>;
  everyoneAsked = true;
  /** The peer that keeps a copy, if one said so. */
  copyAt: ClaimOwner | null = null;
  timer: Timer | null = null;

  constructor(peers: readonly number[], done: OwnerFound, expire: (now: number) => void) {
    this.waitingFor = new Set(peers);
    this.done = done;
    this.#expire = expire;
  }

  onTimer(_kind: number, now: number): void {
    this.#expire(now);
  }
}

export class OwnerQuestions {
  readonly #timers: TimerQueue;
  readonly #sender: FrameSender;
  readonly #waitMilliseconds: number;
  readonly #open = new Map<number, Question>();
  #lastId = 0;
  asked = 0;
  timedOut = 0;

  constructor(timers: TimerQueue, sender: FrameSender, waitMilliseconds: number) {
    this.#timers = timers;
    this.#sender = sender;
    this.#waitMilliseconds = waitMilliseconds;
  }

  get open(): number {
    return this.#open.size;
  }

  /** `done` is called at once when there is nobody to ask, else later, and exactly once. */
  ask(now: number, key: string, peers: readonly number[], done: OwnerFound): void {
    if (this.#open.size >= questionsMax) {
      done(null, now, false);
      return;
    }
    this.asked++;
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const question = new Question(peers, done, (at) => this.#expire(at, id));
    for (const peer of peers) {
      const body = { id, key };
      if (this.#sender.send(now, peer, { type: frameTypes.ask, codec: askCodec, body, priority: 'urgent' }))
        continue;
      question.waitingFor.delete(peer);
      question.everyoneAsked = false;
    }
    if (question.waitingFor.size === 0) {
      done(null, now, question.everyoneAsked);
      return;
    }
    this.#open.set(id, question);
    question.timer = this.#timers.start(now, this.#waitMilliseconds, question, 0);
  }

  onAnswer(now: number, from: ClaimOwner, answer: OwnerAnswer): void {
    const question = this.#open.get(answer.id);
    if (question === undefined || !question.waitingFor.has(from.node)) return;
    if (answer.holds === holdings.transaction) {
      this.#end(now, answer.id, from);
      return;
    }
    if (answer.holds === holdings.copy) question.copyAt = from;
    this.#cross(now, answer.id, from.node);
  }

  onNodeDown(now: number, node: number): void {
    for (const id of this.#open.keys()) this.#cross(now, id, node);
  }

  #cross(now: number, id: number, node: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    question.waitingFor.delete(node);
    if (question.waitingFor.size === 0) this.#end(now, id, null);
  }

  #expire(now: number, id: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.timedOut++;
    question.everyoneAsked = false;
    this.#end(now, id, null);
  }

  #end(now: number, id: number, owner: ClaimOwner | null): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.#open.delete(id);
    this.#timers.stop(question.timer);
    question.done(owner ?? question.copyAt, now, question.everyoneAsked);
  }
}
