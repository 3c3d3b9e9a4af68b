/**
 * Max-Breadth (RFC 5393 5): what may be in flight at once for one request, over all proxies that fork it. Each branch
 * gets a part of what the request brought; a branch that ended gives its part back to those that come later.
 */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';

/** RFC 5393 5.3.3: what a request without the header field gets. */
export const breadthDefault = 60;

/** What the request allows; a value that cannot be read allows what an absent one does. */
export function receivedBreadth(request: SipMessage): number {
  const text = request.firstValue(headerNames.maxBreadth);
  return /^\d{1,9}$/.test(text) ? Number(text) : breadthDefault;
}

export class BreadthBudget {
  #free: number;
  /** Branches that are to come together, and have not had their part yet. */
  #announced = 0;

  constructor(total: number) {
    this.#free = total;
  }

  /** False when there is not one unit for each of so many branches. */
  announce(branches: number): boolean {
    if (branches > this.#free) return false;
    this.#announced = branches;
    return true;
  }

  /** The part of one more branch; 0 when nothing is left. One that nobody announced leaves half to others. */
  take(): number {
    const sharers = this.#announced > 0 ? this.#announced : 2;
    if (this.#announced > 0) this.#announced--;
    const part = Math.ceil(this.#free / sharers);
    this.#free -= part;
    return part;
  }

  giveBack(part: number): void {
    this.#free += part;
  }
}
