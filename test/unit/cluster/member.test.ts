import { describe, expect, it } from 'vitest';
import { parseBinUrl, parseNodeInfo } from '#cluster/member.ts';
import { isFailure } from '#util/failure.ts';

describe('bin URLs', () => {
  it.each([
    ['bin:10.0.0.2:5566', '10.0.0.2', 5566, false],
    ['bin:10.0.0.2', '10.0.0.2', 5555, false],
    ['bins:node-2.example.net', 'node-2.example.net', 5556, true],
    ['BIN:[2001:db8::2]:7000', '2001:db8::2', 7000, false],
    ['bin:2001:db8::2', '2001:db8::2', 5555, false],
    ['bins:2001:db8:0:1::ab', '2001:db8:0:1::ab', 5556, true],
    ['10.0.0.2:5566', '10.0.0.2', 5566, false],
    ['bin://10.0.0.2:5566', '10.0.0.2', 5566, false],
  ])('%s', (url, address, port, secure) => {
    expect(parseBinUrl(url)).toEqual({ address, port, secure });
  });

  it.each([
    '',
    'bin:',
    'udp:10.0.0.2:5566',
    'bin:10.0.0.2:0',
    'bin:10.0.0.2:70000',
    'bin:a b',
    'bin:[::1',
    'bin:h:x',
    'bin:2001:db8::2:5566',
    'bin:2001:db8::2::3',
  ])('refuses "%s"', (url) => {
    expect(parseBinUrl(url)).toMatchObject({ code: 'CLUSTER_URL_INVALID' });
  });
});

describe('node infos', () => {
  it('are read with the defaults of the table', () => {
    expect(parseNodeInfo('cluster_id=1,node_id=2,url=bin:10.0.0.2:5566')).toEqual({
      clusterId: 1,
      nodeId: 2,
      address: '10.0.0.2',
      port: 5566,
      enabled: true,
      priority: 50,
      description: '',
      pingRetries: 3,
      secure: false,
      sipAddress: '',
    });
  });

  it('take every property, in any order, with blanks', () => {
    const info =
      'url=bin:[::2]:1, node_id=7 ,cluster_id=3;state=0,no_ping_retries=5,priority=9,sip_addr=sip:x,description=two words';
    expect(parseNodeInfo(info)).toMatchObject({
      nodeId: 7,
      clusterId: 3,
      address: '::2',
      enabled: false,
      pingRetries: 5,
      secure: false,
      priority: 9,
      sipAddress: 'sip:x',
      description: 'two words',
    });
  });

  it.each([
    ['node_id=2,url=bin:h', 'cluster_id must be a number from 1'],
    ['cluster_id=1,url=bin:h', 'node_id must be'],
    ['cluster_id=1,node_id=0,url=bin:h', 'node_id must be'],
    ['cluster_id=x,node_id=2,url=bin:h', 'cluster_id must be'],
    ['cluster_id=1,node_id=2', 'url is missing'],
    ['cluster_id=1,node_id=2,url=http://h', 'no link address'],
    ['cluster_id=1,node_id=2,url=bin:h,nodeid=3', '"nodeid=3" is none of cluster_id'],
    ['cluster_id=1,node_id=2,url=bin:h,state=2', 'state must be'],
    ['cluster_id=1,node_id=2,url=bin:h,no_ping_retries=-1', 'no_ping_retries must be'],
    ['cluster_id=1,node_id=2,url=bin:h,priority=high', 'priority must be'],
  ])('%s: %s', (info, problem) => {
    const member = parseNodeInfo(info);
    expect(isFailure(member) && member.message).toContain(problem);
  });
});
