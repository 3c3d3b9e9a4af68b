/** What the lab concludes from scripts, counters and captures, without a namespace. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countDuplicates } from '../../lab/experiments/loss.ts';
import { countElsewhere, formatPackets, ownerOf, type Packet, titleOf } from '../../lab/packets.ts';
import { nodeScript } from '../../lab/program.ts';
import { readCounters } from '../../lab/sipp.ts';

function packet(values: Partial<Packet>): Packet {
  return {
    seconds: 0,
    epochSeconds: 0,
    from: 'caller',
    to: 'node1',
    node: 1,
    towardsNode: true,
    startLine: 'INVITE sip:uas@10.206.206.1 SIP/2.0',
    callId: 'a',
    cseq: '1 INVITE',
    branch: 'z9hG4bKcaller',
    ...values,
  };
}

describe('the script of a node', () => {
  const seed = (name: string): string =>
    readFileSync(new URL(`../../config/${name}.cfg`, import.meta.url), 'utf8');
  const changedLines = (name: string, node: number): string[] => {
    const original = seed(name).split('\n');
    return nodeScript(seed(name), node)
      .split('\n')
      .filter((line, index) => line !== original[index])
      .map((line) => line.trim());
  };

  it('of node 1 is the script of the experiment itself', () => {
    expect(nodeScript(seed('seed-2.4'), 1)).toBe(seed('seed-2.4'));
    expect(nodeScript(seed('seed-4.0'), 1)).toBe(seed('seed-4.0'));
  });

  it('differs in what belongs to one machine, and in nothing else', () => {
    expect(changedLines('seed-2.4', 3)).toEqual([
      'listen=bin:10.10.0.3:5566',
      'server_header="Server: Opensips03"',
      'user_agent_header="User-Agent: Opensips03"',
      'modparam("clusterer", "current_id", 3) # different on each node',
      'xlog("L_INFO", "Timer Route - this is node opensips03\\n");',
    ]);
    expect(changedLines('seed-4.0', 2)).toEqual([
      'server_header="Server: Opensips02"',
      'user_agent_header="User-Agent: Opensips02"',
      'socket=bin:10.10.0.2:5566',
      'modparam("clusterer", "my_node_id", 2)',
      'modparam("clusterer", "sharing_tag", "node2/1=active")',
      'set_dlg_sharing_tag("node2");',
    ]);
  });
});

describe("sipp's counters", () => {
  it('are read from the last line by the names of the columns', () => {
    const folder = mkdtempSync(join(tmpdir(), 'anyvia-lab-parts-'));
    const file = join(folder, 'statistics.csv');
    const names =
      'StartTime;TotalCallCreated;CurrentCall;SuccessfulCall(C);FailedCall(C);Retransmissions(C);';
    const more = 'FailedUnexpectedMessage(C);OutOfCallMsgs(C);DeadCallMsgs(C)';
    writeFileSync(file, `${names}${more}\n0;1;1;0;0;0;0;0;0\n1;10;2;7;1;3;1;4;5\n`);
    expect(readCounters(file)).toEqual({
      calls: 10,
      open: 2,
      successful: 7,
      failed: 1,
      retransmissions: 3,
      unexpected: 1,
      stray: 9,
    });
    rmSync(folder, { recursive: true });
  });
});

describe('a capture', () => {
  const downstream = {
    from: 'node2',
    to: 'callee',
    node: 2,
    towardsNode: false,
    branch: 'z9hG4bK1-3.a.0.1.0.0.ff',
  };

  it('names the owner by the tag in the branch', () => {
    expect(ownerOf('z9hG4bK1-12.a.0.1.0.0.ff')).toBe(12);
    expect(ownerOf('z9hG4bKcaller')).toBe(0);
    expect(titleOf(packet({}))).toBe('INVITE');
    expect(titleOf(packet({ startLine: 'SIP/2.0 180 Ringing' }))).toBe('180 Ringing');
  });

  it('counts what came to a node that does not own it', () => {
    const packets = [packet({}), packet({ ...downstream, node: 3, from: 'node3' })];
    expect(countElsewhere(packets)).toEqual({ towardsNodes: 1, elsewhere: 1 });
    expect(formatPackets(packets)).toContain('node3  carried over');
  });

  it('tells a repeated INVITE from a second one', () => {
    const again = packet(downstream);
    expect(countDuplicates([again, again])).toEqual({ invites: 0, byes: 0 });
    const fork = packet({ ...downstream, branch: 'z9hG4bK1-1.a.0.1.0.0.ff' });
    expect(countDuplicates([again, fork])).toEqual({ invites: 1, byes: 0 });
  });
});
