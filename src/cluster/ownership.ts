/**
 * Rendezvous hashing: every node ranks all nodes for a key in the same way, without talking. The first of the rank is
 * the key's home, the second its successor. When a node leaves, only the keys that it was first for move.
 */

/** The rank of `node` for the key whose 64-bit hash is `high`, `low`: lower is better, equal on every node. */
export function rendezvousWeight(high: number, low: number, node: number): number {
  // The finalizer of MurmurHash3, over the key's two words and the node in turn.
  let mixed = mix(low ^ Math.imul(node, 0x9e3779b1));
  mixed = mix(mixed ^ high);
  return mix(mixed + node) >>> 0;
}

/** Of two nodes the one that the key belongs to. */
export function rendezvousWinner(high: number, low: number, nodes: readonly [number, number]): number {
  const [first, second] = nodes;
  const weights = [rendezvousWeight(high, low, first), rendezvousWeight(high, low, second)] as const;
  if (weights[0] === weights[1]) return Math.min(first, second);
  return weights[0] < weights[1] ? first : second;
}

/** `nodes` from best to worst for the key hash. */
export function rankByHash(high: number, low: number, nodes: readonly number[]): number[] {
  const weighted = nodes.map((node) => ({ node, weight: rendezvousWeight(high, low, node) }));
  weighted.sort((left, right) => left.weight - right.weight || left.node - right.node);
  return weighted.map((entry) => entry.node);
}

/** `nodes` from best to worst for a text that no stranger chooses, such as a dialog's id of ours. */
export function rank(key: string, nodes: readonly number[]): number[] {
  // FNV-1a, once from each end: spread is wanted here, not secrecy.
  let high = 0x811c9dc5;
  let low = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    low = Math.imul(low ^ key.charCodeAt(index), 0x01000193);
    high = Math.imul(high ^ key.charCodeAt(key.length - 1 - index), 0x01000193);
  }
  return rankByHash(high, low, nodes);
}

function mix(word: number): number {
  let mixed = word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
