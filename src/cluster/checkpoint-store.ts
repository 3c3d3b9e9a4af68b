/** Checkpoints that other nodes gave to this one, by the life that they belong to. Bounded in bytes. */

import type { Checkpoint } from '#cluster/takeover-message.ts';

/** 40,000 calls that ring, at 1.6 kB each. */
const heldBytesMax = 64 * 1024 * 1024;

export class CheckpointStore {
  readonly #lives = new Map<string, Map<number, Checkpoint>>();
  /** How many checkpoints have the key. */
  readonly #keys = new Map<string, number>();
  #bytes = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  hasKey(key: string): boolean {
    return this.#keys.has(key);
  }

  /** False when there is no room. The body is copied. */
  put(node: number, incarnation: number, checkpoint: Checkpoint): boolean {
    this.remove(node, incarnation, checkpoint.id);
    if (this.#bytes + checkpoint.body.length > heldBytesMax) return false;
    const name = `${node}.${incarnation}`;
    let life = this.#lives.get(name);
    if (life === undefined) {
      life = new Map();
      this.#lives.set(name, life);
    }
    life.set(checkpoint.id, { ...checkpoint, body: Uint8Array.from(checkpoint.body) });
    this.#keys.set(checkpoint.key, (this.#keys.get(checkpoint.key) ?? 0) + 1);
    this.#bytes += checkpoint.body.length;
    this.#size++;
    return true;
  }

  remove(node: number, incarnation: number, id: number): void {
    const name = `${node}.${incarnation}`;
    const life = this.#lives.get(name);
    const checkpoint = life?.get(id);
    if (life === undefined || checkpoint === undefined) return;
    life.delete(id);
    if (life.size === 0) this.#lives.delete(name);
    this.#release(checkpoint);
  }

  /** Hands over everything of that life, in the order in which it came, and forgets it. */
  takeAll(node: number, incarnation: number): Checkpoint[] {
    const name = `${node}.${incarnation}`;
    const life = this.#lives.get(name);
    if (life === undefined) return [];
    this.#lives.delete(name);
    for (const checkpoint of life.values()) this.#release(checkpoint);
    return [...life.values()];
  }

  #release({ key, body }: Checkpoint): void {
    const count = this.#keys.get(key) ?? 0;
    if (count <= 1) this.#keys.delete(key);
    else this.#keys.set(key, count - 1);
    this.#bytes -= body.length;
    this.#size--;
  }
}
