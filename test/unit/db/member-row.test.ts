import { describe, expect, it } from 'vitest';
import { readMemberRow } from '#db/member-row.ts';
import { Failure } from '#util/failure.ts';

const good = {
  id: 4,
  cluster_id: 1,
  node_id: 3,
  url: 'bin:10.0.0.3:5566',
  state: 1,
  no_ping_retries: 3,
  priority: 50,
  sip_addr: null,
  flags: 'seed',
  description: null,
};

describe('readMemberRow', () => {
  it('reads a row as MySQL gives it', () => {
    expect(readMemberRow(good)).toMatchObject({
      rowId: 4,
      clusterId: 1,
      nodeId: 3,
      seed: true,
      sipAddress: '',
    });
  });

  it.each([
    ['cluster_id', null, 'cluster_id is NULL, expected a number from 1'],
    ['node_id', -1, 'node_id is -1'],
    ['node_id', 2 ** 31, 'node_id is 2147483648'],
    ['url', 'tcp://x', 'url is "tcp://x"'],
    ['state', 2, 'state is 2'],
    ['no_ping_retries', null, 'no_ping_retries is NULL'],
    ['priority', 'high', 'priority is "high"'],
  ])('refuses %s = %s with the row and the cause', (column, value, cause) => {
    const failure = readMemberRow({ ...good, [column]: value }) as Failure;
    expect(failure).toBeInstanceOf(Failure);
    expect(failure.message).toContain('clusterer row id 4');
    expect(failure.message).toContain(cause);
  });
});
