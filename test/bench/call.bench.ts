/** A whole call through a node in memory, script and dialog included. */

import { makeNode, placeCall } from './calls-in-memory.ts';
import type { MicroCase } from './micro.ts';

/** Calls per second, in the node's own time: that many linger for 32 s each. */
const rate = 500;

export function callCases(): MicroCase[] {
  const node = makeNode();
  let number = 0;
  return [
    {
      name: 'a whole call in memory (13 messages, script, dialog), the two ends of it played included',
      run: (times) => {
        for (let index = 0; index < times; index++) {
          placeCall(node, number++);
          node.advance(1000 / rate);
        }
      },
    },
  ];
}
