/** Changes to a message as a broken phone, a broken network or an attacker makes them, reproducible by seed. */

import type { SeededRandom } from './seeded-random.ts';

/** What parsers stumble over. */
const separators = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\r\n ',
  ',',
  ';',
  ';;',
  ':',
  '"',
  '\\',
  '<',
];
const specials = [
  '>',
  '%',
  '%00',
  '%zz',
  '@',
  '?',
  '=',
  '[',
  ']',
  '[::1]',
  '::',
  '/',
  '*',
  '\xff',
  '\xc3\xa4',
];
const numbers = [
  '-1',
  '0',
  '256',
  '65536',
  '2147483648',
  '4294967296',
  '99999999999999999999',
  'x'.repeat(300),
];
const parameters = [' SIP/2.0', ';lr', ';tag=', ';branch=z9hG4bK', ';rport', ';received=', ';maddr=', ';q='];
const fields = [
  'Via: ',
  'Route: <sip:',
  'Content-Length: ',
  'Max-Forwards: ',
  'CSeq: ',
  '\r\nconstructor: x\r\n__proto__: y',
];
const fragments = [...separators, ...specials, ...numbers, ...parameters, ...fields];

type Mutation = (text: string, random: SeededRandom) => string;

const place = (text: string, random: SeededRandom): number => random.below(text.length + 1);

function lines(text: string): string[] {
  return text.split(/(?<=\r\n)/);
}

const mutations: readonly Mutation[] = [
  // One byte becomes another one.
  (text, random) => {
    const at = place(text, random);
    return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
  },
  (text, random) => {
    const at = place(text, random);
    return text.slice(0, at) + fragments[random.below(fragments.length)]! + text.slice(at);
  },
  (text, random) => {
    const at = place(text, random);
    return text.slice(0, at) + text.slice(at + 1 + random.below(20));
  },
  // The datagram ends early.
  (text, random) => text.slice(0, place(text, random)),
  (text, random) => {
    const all = lines(text);
    all.splice(random.below(all.length), 1);
    return all.join('');
  },
  (text, random) => {
    const all = lines(text);
    const line = all[random.below(all.length)]!;
    all.splice(random.below(all.length), 0, ...Array.from({ length: 1 + random.below(40) }, () => line));
    return all.join('');
  },
  // A piece many times over, up to what a datagram can hold.
  (text, random) => {
    const at = place(text, random);
    const piece = text.slice(at, at + 1 + random.below(8));
    const times = Math.min(random.below(2000), Math.floor((60_000 - text.length) / (piece.length + 1)));
    return text.slice(0, at) + piece.repeat(Math.max(0, times)) + text.slice(at);
  },
  (text, random) => {
    const [first, second] = [place(text, random), place(text, random)].sort((a, b) => a - b) as [
      number,
      number,
    ];
    return text.slice(second) + text.slice(first, second) + text.slice(0, first);
  },
];

/** One to four changes to the text (latin1). */
export function mutate(text: string, random: SeededRandom): string {
  let result = text;
  for (let count = 1 + random.below(4); count > 0; count--) {
    result = mutations[random.below(mutations.length)]!(result, random);
  }
  return result.slice(0, 65_507);
}
