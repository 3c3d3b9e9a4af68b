/** Destinations that could not be sent to in this turn of the event loop: told to the transactions at its end, once each. */

import type { TransactionTable } from '#transaction/table.ts';
import type { Flow } from '#util/socket-address.ts';

/** Those beyond time out by themselves. */
const unreachableMax = 10_000;

export class Unreachable {
  readonly #table: TransactionTable;
  readonly #endOfTurn: (run: (now: number) => void) => void;
  readonly #flows = new Map<string, Flow>();

  constructor(table: TransactionTable, endOfTurn: (run: (now: number) => void) => void) {
    this.#table = table;
    this.#endOfTurn = endOfTurn;
  }

  note(flow: Flow): void {
    if (this.#flows.size === 0) {
      this.#endOfTurn((now) => {
        const flows = [...this.#flows.values()];
        this.#flows.clear();
        this.#table.onTransportErrors(now, flows);
      });
    }
    if (this.#flows.size < unreachableMax)
      this.#flows.set(`${flow.socket.protocol}:${flow.address}:${flow.port}`, flow);
  }
}
