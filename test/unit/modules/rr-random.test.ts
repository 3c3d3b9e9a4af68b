/**
 * `loose_route` on any set of Route header fields, written in any way, against the few lines that RFC 3261 16.4 and
 * 16.6 step 6 are as operations on a list. fast-check prints the seed of a failure.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rr } from '#modules/rr/declaration.ts';
import { headerNames } from '#sip/header-name.ts';
import { edited, message, request, requestContext, ScriptBench } from '../../support/module-host.ts';

interface Hop {
  readonly isOwn: boolean;
  readonly isLoose: boolean;
  readonly isDouble: boolean;
}

/** Of the path; ours are always loose. */
const hop: fc.Arbitrary<Hop> = fc.record({
  isOwn: fc.boolean(),
  isLoose: fc.boolean(),
  isDouble: fc.boolean(),
});
/** How the elements stand in the message: on the same line as the one before, with a display name, with blanks. */
const layout = fc.record({
  joined: fc.boolean(),
  named: fc.boolean(),
  blanks: fc.constantFrom('', ' ', '\t ', '\r\n  '),
});
const route = fc.tuple(hop, layout);

function uriOf({ isOwn, isLoose, isDouble }: Hop, index: number): string {
  if (isOwn) return `sip:10.0.0.1:5060;lr${isDouble ? ';r2=on' : ''};ftag=f${index}`;
  return `sip:p,${index}@192.0.2.${index}${isLoose ? ';lr' : ''};x=y`;
}

function lines(
  routes: readonly (readonly [Hop, { joined: boolean; named: boolean; blanks: string }])[],
): string[] {
  const text: string[] = [];
  for (const [index, [one, { joined, named, blanks }]] of routes.entries()) {
    const element = `${named ? '"A, <B>" ' : ''}<${uriOf(one, index)}>`;
    if (joined && text.length > 0) text[text.length - 1] += `${blanks},${blanks}${element}`;
    else text.push(`Route: ${element}`);
  }
  // Between them stands what has nothing to do with it.
  return text.flatMap((line, index) => [`X-Between: ${index}`, line]);
}

interface Way {
  requestUri: string;
  routes: string[];
  next: string | null;
}

/** RFC 3261 16.4 and 16.6 step 6. */
function followed(requestUri: string, hops: readonly Hop[]): Way {
  const routes = hops.map((one, index) => ({ ...one, uri: uriOf(one, index) }));
  let target = requestUri;
  if (requestUri.startsWith('sip:10.0.0.1:5060;lr')) target = routes.pop()!.uri;
  if (routes[0]?.isOwn === true) {
    const isPair = routes[0].isDouble && routes[1]?.isOwn === true && routes[1].isDouble;
    routes.splice(0, isPair ? 2 : 1);
  }
  const [first] = routes;
  if (first === undefined) return { requestUri: target, routes: [], next: null };
  const uris = routes.map(({ uri }) => uri);
  if (first.isOwn || first.isLoose) return { requestUri: target, routes: uris, next: first.uri };
  return { requestUri: first.uri, routes: [...uris.slice(1), target], next: null };
}

describe('loose_route', () => {
  it('RFC 3261 16.4: leaves Request-URI, Routes and next hop as the clauses say', () => {
    const requestUris = fc.constantFrom('sip:bob@10.0.0.8', 'sip:10.0.0.1:5060;lr;ftag=f0');
    fc.assert(
      fc.property(fc.array(route, { minLength: 1, maxLength: 6 }), requestUris, (routes, requestUri) => {
        const hops = routes.map(([one]) => one);
        // A strict router that hands us a single Route of ours has lost the target: nothing to compare.
        fc.pre(hops.length > 1 || !hops[0]!.isOwn);
        const bench = new ScriptBench(rr);
        const context = requestContext(
          request('BYE', requestUri, 'To: <sip:bob@example.org>;tag=t1', ...lines(routes)),
        );
        expect(bench.call(context, 'loose_route')).toBe(1);
        const way = followed(requestUri, hops);
        const left = message(...edited(context).split('\r\n').slice(0, -1));
        const uris = left.values(headerNames.route).map((value) => /<(sip:[^>]*)>$/.exec(value)?.[1]);
        expect({ requestUri: context.requestUri, routes: uris, next: context.destinationUri }).toEqual(way);
        // What stands between them is still there.
        expect(left.text.match(/X-Between/g)?.length).toBe(context.message.text.match(/X-Between/g)?.length);
      }),
      { numRuns: 500 },
    );
  });
});
