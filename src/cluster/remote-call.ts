/**
 * Management methods called on another node, for commands that ask the whole cluster through one node. Parameters and
 * results are JSON text which the cluster does not look into. A call that gets no answer ends by time or when its node
 * goes down; it is never repeated.
 */

import { frameTypes } from '#cluster/frame.ts';
import type { FrameSender } from '#cluster/frame-sender.ts';
import { boolean, longText, struct, text, u32 } from '#util/codec.ts';
import { Failure } from '#util/failure.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface RemoteCall {
  readonly method: string;
  /** JSON text of an object or array. */
  readonly parameters: string;
}

/** Result as JSON text, or CLUSTER_CALL_… */
export type CallDone = (result: string | Failure, now: number) => void;

export const callCodec = struct<RemoteCall & { readonly id: number }>({
  id: u32,
  method: text,
  parameters: longText,
});

export interface CallResult {
  readonly id: number;
  /** False: `result` says in words why the called node has no result. */
  readonly ok: boolean;
  readonly result: string;
}

export const callResultCodec = struct<CallResult>({ id: u32, ok: boolean, result: longText });

/** People and scripts ask now and then; this many at once is a loop that went wrong. */
const callsMax = 1024;

class PendingCall implements TimerTarget {
  readonly node: number;
  readonly method: string;
  readonly done: CallDone;
  readonly #expire: (now: number) => void;
  timer: Timer | null = null;

  constructor(node: number, method: string, done: CallDone, expire: (now: number) => void) {
    this.node = node;
    this.method = method;
    this.done = done;
    this.#expire = expire;
  }

  onTimer(_kind: number, now: number): void {
    this.#expire(now);
  }
}

export class RemoteCalls {
  readonly #timers: TimerQueue;
  readonly #sender: FrameSender;
  readonly #timeout: number;
  readonly #pending = new Map<number, PendingCall>();
  #lastId = 0;

  constructor(timers: TimerQueue, sender: FrameSender, timeoutMilliseconds: number) {
    this.#timers = timers;
    this.#sender = sender;
    this.#timeout = timeoutMilliseconds;
  }

  call(now: number, node: number, call: RemoteCall, done: CallDone): void {
    if (this.#pending.size >= callsMax) {
      done(
        new Failure('CLUSTER_CALL_LIMIT', `more than ${callsMax} calls to other nodes are under way`),
        now,
      );
      return;
    }
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const { type, codec, priority } = callFrame;
    if (!this.#sender.send(now, node, { type, codec, priority, body: { id, ...call } })) {
      done(
        new Failure('CLUSTER_CALL_UNREACHABLE', `node [${node}] is not reached or its queue is full`),
        now,
      );
      return;
    }
    const pending = new PendingCall(node, call.method, done, (at) => this.#expire(id, at));
    pending.timer = this.#timers.start(now, this.#timeout, pending, 0);
    this.#pending.set(id, pending);
  }

  onResult(now: number, from: number, answer: CallResult): void {
    const { id, ok, result } = answer;
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.node !== from) return;
    this.#end(id, pending);
    pending.done(ok ? result : new Failure('CLUSTER_CALL_FAILED', `node [${from}]: ${result}`), now);
  }

  onNodeDown(now: number, node: number): void {
    for (const [id, pending] of this.#pending) {
      if (pending.node !== node) continue;
      this.#end(id, pending);
      pending.done(new Failure('CLUSTER_CALL_UNREACHABLE', `node [${node}] went down during the call`), now);
    }
  }

  #expire(id: number, now: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#end(id, pending);
    const { node, method } = pending;
    pending.done(
      new Failure(
        'CLUSTER_CALL_TIMEOUT',
        `node [${node}] did not answer ${method} within ${this.#timeout} ms`,
      ),
      now,
    );
  }

  #end(id: number, pending: PendingCall): void {
    this.#pending.delete(id);
    this.#timers.stop(pending.timer);
  }
}

const callFrame = { type: frameTypes.call, codec: callCodec, priority: 'bulk' } as const;
