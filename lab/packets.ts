/**
 * What crossed the nodes' LAN: a capture on the router's LAN port, read as a table of messages with the node that got
 * or sent each one (by its MAC) beside the node that owns the transaction (by the owner tag in the Via branch).
 */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { detach } from '#sip/serialize.ts';
import { calleeAddress, callerAddress, type LabNetwork, nodeMac } from './network.ts';
import type { LabProcess } from './process.ts';

export interface Packet {
  /** Since the capture began. */
  readonly seconds: number;
  readonly epochSeconds: number;
  /** 'node1' … , 'caller', 'callee' or an address. */
  readonly from: string;
  readonly to: string;
  /** Node that received or sent it; 0 = none. */
  readonly node: number;
  readonly towardsNode: boolean;
  readonly startLine: string;
  readonly callId: string;
  readonly cseq: string;
  /** Branch of the topmost Via. */
  readonly branch: string;
}

const startMilliseconds = 1500;
/** dumpcap hands over what it has read in blocks of this age. */
const flushMilliseconds = 700;
/** Start line and the headers that are read stand in these first bytes of every message in the lab. */
const packetBytesMax = 800;

export class Capture {
  readonly #network: LabNetwork;
  readonly #file: string;
  readonly #process: LabProcess;

  private constructor(network: LabNetwork, file: string, process: LabProcess) {
    this.#network = network;
    this.#file = file;
    this.#process = process;
  }

  /** `device`: a port of the router; lan0 sees all nodes, `caller` and `callee` one user each. */
  static async start(network: LabNetwork, device: 'lan0' | 'caller' | 'callee'): Promise<Capture> {
    const file = network.file(`${device}-${Math.round(performance.now())}.pcap`);
    const what = ['-i', device, '-f', 'udp port 5060', '-s', String(packetBytesMax), '-B', '64', '-w', file];
    const process = network.start('router', `capture-${device}`, ['dumpcap', '-q', ...what]);
    await sleep(startMilliseconds);
    return new Capture(network, file, process);
  }

  async stop(): Promise<Packet[]> {
    await sleep(flushMilliseconds);
    await this.#process.stop('SIGINT', 5000);
    const fields = [
      'frame.time_relative',
      'frame.time_epoch',
      'eth.src',
      'eth.dst',
      'ip.src',
      'ip.dst',
      'udp.payload',
    ];
    const names = fields.flatMap((field) => ['-e', field]);
    const parameters = ['-n', '-r', this.#file, '--disable-protocol', 'sip', '-T', 'fields', ...names];
    // A line at a time: the whole text of a long load is more than a string can hold.
    const tshark = spawn('tshark', parameters, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const packets: Packet[] = [];
    for await (const line of createInterface({ input: tshark.stdout })) {
      if (line !== '') packets.push(readPacket(line.split('\t'), this.#network.nodes));
    }
    return packets;
  }
}

function readPacket(fields: readonly string[], nodes: readonly number[]): Packet {
  const [time, epoch, macFrom, macTo, addressFrom, addressTo, payload] = fields as [string, ...string[]];
  const text = Buffer.from(payload!.replaceAll(':', ''), 'hex').toString('latin1');
  const nodeFrom = nodes.find((node) => nodeMac(node) === macFrom) ?? 0;
  const nodeTo = nodes.find((node) => nodeMac(node) === macTo) ?? 0;
  return {
    seconds: Number(time),
    epochSeconds: Number(epoch),
    from: nodeFrom > 0 ? `node${nodeFrom}` : hostName(addressFrom!),
    to: nodeTo > 0 ? `node${nodeTo}` : hostName(addressTo!),
    node: nodeTo || nodeFrom,
    towardsNode: nodeTo > 0,
    startLine: detach(text.slice(0, text.indexOf('\r\n'))),
    callId: detach(headerValue(text, 'Call-ID')),
    cseq: detach(headerValue(text, 'CSeq')),
    branch: detach(/branch=([^;\s,]+)/i.exec(headerValue(text, 'Via'))?.[1] ?? ''),
  };
}

function hostName(address: string): string {
  if (address === callerAddress) return 'caller';
  return address === calleeAddress ? 'callee' : address;
}

function headerValue(text: string, name: string): string {
  const match = new RegExp(`^${name}[ \t]*:[ \t]*([^\r\n]*)`, 'im').exec(text);
  return match?.[1]?.trim() ?? '';
}

/** Node in an owner tag of ours; 0 when the branch is another's. */
export function ownerOf(branch: string): number {
  return Number(/^z9hG4bK1-(\d+)\./.exec(branch)?.[1] ?? 0);
}

/** Method of a request, status and reason of a response. */
export function titleOf(packet: Packet): string {
  if (packet.startLine.startsWith('SIP/2.0 ')) return packet.startLine.slice('SIP/2.0 '.length);
  return packet.startLine.slice(0, packet.startLine.indexOf(' '));
}

/** Owner of each transaction, by Call-ID and CSeq: read from the requests that nodes sent. ACK and INVITE differ. */
function ownersOf(packets: readonly Packet[]): Map<string, number> {
  const owners = new Map<string, number>();
  for (const packet of packets) {
    const owner = ownerOf(packet.branch);
    if (owner > 0 && !owners.has(ownerKey(packet))) owners.set(ownerKey(packet), owner);
  }
  return owners;
}

function ownerKey(packet: Packet): string {
  return `${packet.callId} ${packet.cseq}`;
}

/** The calls in the capture, message by message. */
export function formatPackets(packets: readonly Packet[]): string {
  const owners = ownersOf(packets);
  const rows = packets.map((packet) => {
    const owner = ownerOf(packet.branch) || (owners.get(ownerKey(packet)) ?? 0);
    const mac = nodeMac(packet.node);
    const elsewhere = packet.towardsNode && owner > 0 && owner !== packet.node ? 'carried over' : '';
    return [
      packet.seconds.toFixed(3),
      titleOf(packet),
      packet.cseq,
      `${packet.from} > ${packet.to}`,
      packet.towardsNode ? mac : '',
      owner === 0 ? '' : `node${owner}`,
      elsewhere,
    ];
  });
  return formatTable(['seconds', 'message', 'CSeq', 'path', 'destination MAC', 'owner', ''], rows);
}

/** How many messages towards nodes came to a node that does not own their transaction. */
export function countElsewhere(packets: readonly Packet[]): { towardsNodes: number; elsewhere: number } {
  const owners = ownersOf(packets);
  const arriving = packets.filter((packet) => packet.towardsNode);
  const elsewhere = arriving.filter((packet) => {
    const owner = ownerOf(packet.branch) || (owners.get(ownerKey(packet)) ?? 0);
    return owner > 0 && owner !== packet.node;
  });
  return { towardsNodes: arriving.length, elsewhere: elsewhere.length };
}
