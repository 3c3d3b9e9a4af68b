/**
 * Links in memory: ordered byte streams with delay, chopped into chunks, cut, or swallowed by a partition, all from one
 * seed. Nothing moves but in `step`, so a test holds the clock of every node.
 */

import type { Link, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import { SeededRandom } from '../support/seeded-random.ts';

export interface NetworkFaults {
  /** One-way delay in ms, from and to. */
  delay: readonly [number, number];
  /** Chance that a write is handed over in small pieces. */
  chopChance: number;
  /** Chance that a write cuts its link instead. */
  cutChance: number;
}

interface Delivery {
  readonly due: number;
  readonly order: number;
  readonly end: MemoryLink;
  readonly run: (now: number) => void;
}

type Accept = (link: Link, now: number) => LinkUser;

/** Bytes under way on one link beyond which `write` says "enough". */
const fullBytes = 64 * 1024;

class MemoryLink implements Link {
  readonly network: ClusterNetwork;
  readonly owner: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isSecure = false;
  other: MemoryLink | null = null;
  user: LinkUser | null = null;
  isOpen = true;
  lastDue = 0;
  underWay = 0;
  isFull = false;

  constructor(network: ClusterNetwork, owner: string, remoteAddress: string, remotePort: number) {
    this.network = network;
    this.owner = owner;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  distrust(): string {
    return '';
  }

  write(bytes: Buffer): boolean {
    if (!this.isOpen) return true;
    this.network.carry(this, bytes);
    this.isFull = this.underWay >= fullBytes;
    return !this.isFull;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.user = null;
    this.network.closeOther(this, 'connection closed');
  }
}

export class ClusterNetwork {
  readonly random: SeededRandom;
  faults: NetworkFaults = { delay: [1, 1], chopChance: 0, cutChance: 0 };
  now = 0;
  /** Writes carried, to see what batching does. */
  writes = 0;
  /** What a program of another version would have written instead; per link, since frames are numbered. */
  translate: ((owner: string, link: object, bytes: Buffer) => Buffer) | null = null;
  #order = 0;
  #deliveries: Delivery[] = [];
  readonly #listeners = new Map<string, Accept>();
  readonly #names = new Map<string, string>();
  readonly #links = new Set<MemoryLink>();
  /** `a b`: what a sends to b vanishes. */
  readonly #silent = new Set<string>();
  /** `a b`: b cannot be dialled by a. */
  readonly #barred = new Set<string>();

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
  }

  /** What the DNS says of a name; names that are not known cannot be dialled. */
  name(name: string, address: string): void {
    this.#names.set(name, address);
  }

  listen(address: string, accept: Accept): void {
    this.#listeners.set(address, accept);
  }

  /** A process that dies: its kernel closes what it had open. */
  kill(address: string): void {
    this.#listeners.delete(address);
    for (const link of this.#links) {
      if (link.owner === address && link.isOpen) link.close();
    }
  }

  transportOf(owner: string): LinkTransport {
    return { connect: ({ address, port }, user) => this.#dial(owner, address, port, user) };
  }

  /** Bytes between the two vanish without a word, both ways, and neither can dial the other. */
  partition(left: string, right: string): void {
    for (const way of [`${left} ${right}`, `${right} ${left}`]) {
      this.#silent.add(way);
      this.#barred.add(way);
    }
  }

  /** What went into the partition is lost, so links that were in it break. */
  heal(left: string, right: string): void {
    for (const way of [`${left} ${right}`, `${right} ${left}`]) {
      this.#silent.delete(way);
      this.#barred.delete(way);
    }
    this.cut(left, right);
  }

  /** A firewall: the two cannot dial each other, and what they have is reset. */
  bar(left: string, right: string): void {
    this.#barred.add(`${left} ${right}`).add(`${right} ${left}`);
    this.cut(left, right);
  }

  unbar(left: string, right: string): void {
    this.#barred.delete(`${left} ${right}`);
    this.#barred.delete(`${right} ${left}`);
  }

  /** Resets every link between the two. */
  cut(left: string, right: string): void {
    for (const link of this.#links) {
      const ends = [link.owner, link.remoteAddress];
      if (ends.includes(left) && ends.includes(right)) this.#reset(link);
    }
  }

  openLinks(): number {
    return [...this.#links].filter((link) => link.isOpen && link.user !== null).length;
  }

  /** When the next thing arrives somewhere; Infinity when nothing is under way. */
  nextDue(): number {
    let due = Infinity;
    for (const delivery of this.#deliveries) due = Math.min(due, delivery.due);
    return due;
  }

  /** Hands over everything due at `now`, in order of time. */
  step(now: number): void {
    this.now = now;
    const due = this.#deliveries.filter((delivery) => delivery.due <= now);
    if (due.length === 0) return;
    this.#deliveries = this.#deliveries.filter((delivery) => delivery.due > now);
    due.sort((left, right) => left.due - right.due || left.order - right.order);
    for (const delivery of due) delivery.run(now);
  }

  carry(from: MemoryLink, written: Buffer): void {
    const bytes = this.translate?.(from.owner, from, written) ?? written;
    this.writes++;
    const to = from.other;
    if (to === null) return;
    if (this.#silent.has(`${from.owner} ${to.owner}`)) return;
    if (this.random.next() < this.faults.cutChance) {
      this.#reset(from);
      return;
    }
    from.underWay += bytes.length;
    this.#schedule(from, (now) => {
      for (const piece of this.#pieces(bytes)) if (to.isOpen) to.user?.onBytes(piece, now);
      from.underWay -= bytes.length;
      if (!from.isFull || from.underWay >= fullBytes) return;
      from.isFull = false;
      from.user?.onDrain(now);
    });
  }

  closeOther(link: MemoryLink, reason: string): void {
    this.#links.delete(link);
    const { other } = link;
    if (other === null || !other.isOpen || this.#silent.has(`${link.owner} ${other.owner}`)) return;
    this.#schedule(link, (now) => this.#end(other, reason, now));
  }

  #dial(owner: string, host: string, port: number, user: LinkUser): Link {
    const address = this.#names.get(host) ?? host;
    const near = new MemoryLink(this, owner, address, port);
    near.user = user;
    this.#links.add(near);
    if (this.#barred.has(`${owner} ${address}`)) return near;
    this.#schedule(near, (now) => {
      if (!near.isOpen) return;
      const accept = this.#listeners.get(address);
      if (accept === undefined) {
        this.#end(near, 'connection failed (ECONNREFUSED)', now);
        return;
      }
      const far = new MemoryLink(this, address, owner, 40_000 + this.#links.size);
      this.#links.add(far);
      near.other = far;
      far.other = near;
      far.user = accept(far, now);
      user.onOpen(now);
    });
    return near;
  }

  #end(link: MemoryLink, reason: string, now: number): void {
    if (!link.isOpen) return;
    link.isOpen = false;
    this.#links.delete(link);
    const { user } = link;
    link.user = null;
    user?.onClose(reason, now);
  }

  #reset(link: MemoryLink): void {
    for (const end of [link, link.other]) {
      if (end === null || !end.isOpen) continue;
      this.#schedule(end, (now) => this.#end(end, 'connection failed (ECONNRESET)', now));
    }
  }

  /** Never before what the same end has under way. */
  #schedule(end: MemoryLink, run: (now: number) => void): void {
    const [shortest, longest] = this.faults.delay;
    const due = Math.max(end.lastDue, this.now + shortest + this.random.next() * (longest - shortest));
    end.lastDue = due;
    this.#deliveries.push({ due, order: this.#order++, end, run });
  }

  #pieces(bytes: Buffer): Buffer[] {
    if (this.random.next() >= this.faults.chopChance) return [Buffer.from(bytes)];
    const pieces: Buffer[] = [];
    for (let start = 0; start < bytes.length; ) {
      const end = Math.min(bytes.length, start + 1 + Math.floor(this.random.next() * 40));
      pieces.push(Buffer.from(bytes.subarray(start, end)));
      start = end;
    }
    return pieces;
  }
}
