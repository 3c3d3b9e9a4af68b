/** What became of each call, read from what crossed the caller's port of the router or the nodes' LAN. */

import { say } from './lab.ts';
import { formatPackets, type Packet, titleOf } from './packets.ts';

/** Times in seconds since 1970; 0 for what never happened. */
export interface CallTrace {
  readonly callId: string;
  readonly inviteAt: number;
  answeredAt: number;
  byeAt: number;
  /** The 200 to the BYE. */
  endedAt: number;
  /** INVITEs and BYEs that the caller sent again. */
  repeats: number;
}

export function traceCalls(packets: readonly Packet[]): CallTrace[] {
  const calls = new Map<string, CallTrace>();
  for (const packet of packets) {
    const title = titleOf(packet);
    const at = packet.epochSeconds;
    const call = calls.get(packet.callId);
    if (call === undefined) {
      const { callId } = packet;
      const begun = { callId, inviteAt: at, answeredAt: 0, byeAt: 0, endedAt: 0, repeats: 0 };
      if (packet.from === 'caller' && title === 'INVITE') calls.set(callId, begun);
    } else if (packet.from === 'caller') {
      if (title === 'INVITE' || (title === 'BYE' && call.byeAt > 0)) call.repeats++;
      if (title === 'BYE') call.byeAt ||= at;
    } else if (title.startsWith('200') && packet.to === 'caller') {
      if (packet.cseq.endsWith('INVITE')) call.answeredAt ||= at;
      else call.endedAt ||= at;
    }
  }
  return [...calls.values()];
}

/** Message by message, those of these calls that failed: the first ones, for a person to read. */
export function showFailures(packets: readonly Packet[], failed: readonly string[], callsMax = 2): void {
  for (const callId of failed.slice(0, callsMax)) {
    say(`a call that failed, ${callId}:`);
    say(formatPackets(packets.filter((packet) => packet.callId === callId)));
  }
}
