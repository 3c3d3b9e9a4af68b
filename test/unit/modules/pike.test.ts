/** pike: who is blocked and when it ends, and that made-up sources do not fill the memory. */

import { describe, expect, it } from 'vitest';
import { pike } from '#modules/pike/declaration.ts';
import { SourceTree } from '#modules/pike/source-tree.ts';
import { parseIp } from '#util/ip-address.ts';
import { invite, requestContext, ScriptBench, testSocket } from '../../support/module-host.ts';

type Bench = ScriptBench<unknown>;

function bench(parameters: Record<string, unknown> = {}): Bench {
  return new ScriptBench(pike, { reqs_density_per_unit: 8, ...parameters }) as Bench;
}

function send(node: Bench, address: string, times: number): number[] {
  return Array.from(
    { length: times },
    () =>
      node.call(
        requestContext(invite(), { socket: testSocket, address, port: 5060 }),
        'pike_check_req',
      ) as number,
  );
}

describe.each(['10.1.2.3', '2001:db8::5'])('a source %s', (address) => {
  it('is blocked when it sends too much, told once, and freed by a quieter unit', () => {
    const node = bench();
    const codes = send(node, address, 40);
    const first = codes.indexOf(-2);
    expect(first, 'later than the density, by what its network took to be busy').toBeGreaterThanOrEqual(8);
    expect(first).toBeLessThanOrEqual(8 * 2);
    expect(codes.slice(0, first).every((code) => code === 1)).toBe(true);
    expect(codes.slice(first + 1).every((code) => code === -1)).toBe(true);
    expect(node.host.lines('warn')).toEqual([`pike: ${address} sends too many requests and is blocked`]);
    node.host.advance(2000);
    expect(send(node, address, 9).at(-1), 'it went on in the unit that ended').toBe(-1);
    node.host.advance(2000);
    expect(send(node, address, 1)).toEqual([-1]);
    node.host.advance(2000);
    expect(send(node, address, 1)).toEqual([1]);
    expect(node.host.lines('info')).toHaveLength(1);
  });

  it('below the density never is', () => {
    const node = bench();
    for (let unit = 0; unit < 20; unit++) {
      expect(send(node, address, 8).every((code) => code === 1)).toBe(true);
      node.host.advance(2000);
    }
  });

  it('can be freed by hand', () => {
    const node = bench();
    send(node, address, 40);
    expect(node.run('pike_list')).toMatchObject({ blocked: 1, IPs: [{ IP: address, status: 'BLOCKED' }] });
    expect(node.run('pike_rm', { IP: address })).toBe('OK');
    expect(send(node, address, 1)).toEqual([1]);
    expect(node.run('pike_rm', { IP: address })).toMatchObject({ code: '404' });
    expect(node.run('pike_rm', { IP: 'nonsense' })).toMatchObject({ code: '400' });
  });
});

describe('others', () => {
  it('of a busy network are not blocked with it', () => {
    const node = bench();
    send(node, '10.1.2.3', 40);
    expect(send(node, '10.1.2.4', 8).every((code) => code === 1)).toBe(true);
    expect(node.host.statistics.find('pike:blocked_sources')).toBe(1);
  });

  it('hear of a block by an event', () => {
    const node = bench();
    const heard: unknown[] = [];
    node.host.routes.set('event E_PIKE_BLOCKED', (context) => {
      heard.push(context.eventParameters?.get('ip'));
      return 1;
    });
    send(node, '10.1.2.3', 40);
    expect(heard).toEqual(['10.1.2.3']);
  });
});

describe('the tree', () => {
  it('is bounded whoever sends, counts what it left out, and empties again', () => {
    const tree = new SourceTree(30, 10_000);
    const bytes = new Uint8Array(16);
    for (let index = 0; index < 150_000; index++) {
      new DataView(bytes.buffer).setUint32(0, Math.imul(index, 2_654_435_761) >>> 0);
      tree.count(bytes, 0);
    }
    expect(tree.size).toBe(100_000);
    expect(tree.uncounted).toBe(50_000);
    tree.turn(5000);
    expect(tree.size).toBe(100_000);
    tree.turn(10_000);
    expect(tree.size).toBe(0);
    expect([...tree.list()]).toEqual([]);
  });

  it('keeps networks instead of addresses when each address sends once', () => {
    const tree = new SourceTree(1000, 10_000);
    for (let index = 0; index < 60_000; index++)
      tree.count(parseIp(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`)!, 0);
    expect(tree.size).toBeLessThan(3000);
  });
});
