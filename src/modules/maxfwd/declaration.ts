/** The module `maxfwd`: Max-Forwards for scripts (RFC 3261 16.3 step 3, 16.6 step 3). */

import type { MessageContext } from '#module/context.ts';
import { defineModule } from '#module/define.ts';
import { headerNames } from '#sip/header-name.ts';

interface MaxForwards {
  /** Highest value that leaves this proxy. */
  readonly limit: number;
}

/** Return codes of OpenSIPS. */
const result = { added: 2, decremented: 1, exhausted: -1, invalid: -2 } as const;

function process(module: MaxForwards, context: MessageContext, initial: number): number {
  const { message, edits } = context;
  const line = message.find(headerNames.maxForwards);
  if (line === -1) {
    // Where the proxy would put it; it looks there before it adds its own.
    const offset = message.lineEnd(message.find(headerNames.via));
    edits.insert(offset, `Max-Forwards: ${Math.min(initial, module.limit)}\r\n`);
    return result.added;
  }
  const value = message.maxForwards;
  if (value < 0) return result.invalid;
  if (value === 0) return result.exhausted;
  const start = message.valueStart(line);
  const end = message.valueEnd(line);
  // A failure route that asks again must not count the hop twice.
  if (!edits.touches(start, end)) edits.replace(start, end, String(Math.min(value - 1, module.limit)));
  return result.decremented;
}

export const maxfwd = defineModule<MaxForwards>({
  name: 'maxfwd',
  help: 'Stops requests that have come through too many proxies.',
  parameters: [
    {
      name: 'max_limit',
      kind: 'integer',
      default: 256,
      help: 'Highest Max-Forwards that a request may leave with.',
    },
  ],
  functions: [
    {
      name: 'mf_process_maxfwd_header',
      routes: ['request'],
      arguments: [{ name: 'value', kind: 'integer' }],
      help: 'Counts this hop: 1 decremented, 2 header added with that value, -1 was 0 already, -2 not readable.',
      call: (module, context, value: number | null) => process(module, context, value ?? 70),
    },
    {
      name: 'is_maxfwd_lt',
      routes: ['request', 'failure', 'branch'],
      arguments: [{ name: 'value', kind: 'integer' }],
      help: 'True when Max-Forwards is lower; -2 when there is none, -3 when it cannot be read.',
      call: (_module, context, value: number | null) => {
        const present = context.message.maxForwards;
        if (present === -1) return -2;
        if (present < 0) return -3;
        return present < (value ?? 0) ? 1 : -1;
      },
    },
  ],
  create: (_host, parameters) => ({ limit: Math.min(Number(parameters.max_limit), 255) }),
});
