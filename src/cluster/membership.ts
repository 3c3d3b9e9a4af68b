/** A new list of members against the one in force: what changed, applied one member at a time, the others untouched. */

import type { LinkKeeper } from '#cluster/link-keeper.ts';
import type { Member } from '#cluster/member.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';

/** Node ids, in order. */
export interface MembershipChange {
  readonly added: readonly number[];
  readonly changed: readonly number[];
  readonly removed: readonly number[];
}

export interface MembershipParts {
  readonly peers: PeerTable;
  readonly links: LinkKeeper;
  /** Says goodbye on the peer's link, if there is one. */
  bidFarewell(peer: Peer, reason: string): void;
}

/**
 * Takes `members` (of this cluster, without this node) as the whole truth. A member whose address changed is linked
 * anew; a disabled or removed one is let go; a change of description or priority touches no link.
 */
export function applyMembers(
  now: number,
  members: readonly Member[],
  parts: MembershipParts,
): MembershipChange {
  const { peers, links } = parts;
  const added: number[] = [];
  const changed: number[] = [];
  const removed: number[] = [];
  const wanted = new Map(members.map((member) => [member.nodeId, member]));
  const gone = peers.all.filter((peer) => !wanted.has(peer.id));
  for (const peer of gone) {
    removed.push(peer.id);
    parts.bidFarewell(peer, 'it is no member any more');
    // Not reachable by a peer either: the update below takes it down before it is forgotten.
    peer.member = { ...peer.member, enabled: false };
    links.drop(peer, 'taken off the list of members');
  }
  for (const member of wanted.values()) {
    const peer = peers.get(member.nodeId);
    if (peer === null) {
      added.push(member.nodeId);
      peers.add(member, now);
    } else if (isChanged(peer.member, member)) {
      changed.push(member.nodeId);
      change(peer, member, parts);
    }
  }
  peers.update(now);
  for (const peer of gone) peers.remove(peer);
  for (const peer of peers.all) links.keep(peer, now);
  return { added, changed, removed };
}

/** What decides how the member is dialled. */
const places = ['address', 'port', 'secure'] as const;

function change(peer: Peer, member: Member, parts: MembershipParts): void {
  const before = peer.member;
  peer.member = member;
  const isMoved = places.some((name) => before[name] !== member[name]);
  if (before.enabled && !member.enabled) {
    parts.bidFarewell(peer, 'it is disabled in the membership');
    parts.links.drop(peer, 'disabled in the membership');
  } else if (isMoved) {
    const { address, port, secure } = member;
    parts.links.drop(peer, `moved to ${secure ? 'bins' : 'bin'}:${address}:${port}`);
  } else {
    return;
  }
  peer.refused = false;
  peer.dialsFailed = 0;
}

function isChanged(before: Member, after: Member): boolean {
  return (Object.keys(after) as (keyof Member)[]).some((name) => before[name] !== after[name]);
}
