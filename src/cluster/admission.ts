/**
 * Who may have a link to this node: the right cluster and protocol, a member that is enabled, with a certificate of its
 * own where the link is TLS, at its listed address where there is neither that nor a secret, and not a second process
 * with a node id that is in use. Every reason is a sentence for both logs, and names both sides.
 */

import type { Connection } from '#cluster/connection.ts';
import { capabilities, type Hello, type Refusal, refusals } from '#cluster/hello.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';
import type { ClusterIdentity, ClusterSettings } from '#cluster/ports.ts';

export class Admission {
  readonly #identity: ClusterIdentity;
  readonly #settings: ClusterSettings;
  readonly #instance: Buffer;
  readonly #peers: PeerTable;

  /** `instance`: what this process says of itself in its HELLOs. */
  constructor(identity: ClusterIdentity, settings: ClusterSettings, instance: Buffer, peers: PeerTable) {
    this.#identity = identity;
    this.#settings = settings;
    this.#instance = instance;
    this.#peers = peers;
  }

  /** Links to this node must be TLS: it is listed with `bins:`. */
  requiresTls = false;

  /** Null: the other side may go on to prove itself. */
  judge(hello: Hello, connection: Connection, now: number): Refusal | null {
    const stranger = this.#judgeCluster(hello);
    if (stranger !== null) return stranger;
    const { dialledNode } = connection;
    if (dialledNode !== 0 && hello.nodeId !== dialledNode && hello.nodeId !== this.#identity.nodeId) {
      return refuse(
        refusals.unknownNode,
        `node [${hello.nodeId}] answers at the address of node [${dialledNode}]`,
      );
    }
    return this.#judgeNode(hello, connection, now);
  }

  /** Reasons name both sides: they stand in both logs. */
  #judgeCluster(hello: Hello): Refusal | null {
    const { clusterId, nodeId, secret } = this.#identity;
    const { lowest, highest } = this.#settings.protocol;
    const [they, we] = [`node [${hello.nodeId}]`, `node [${nodeId}]`];
    if (hello.protocolLowest > highest || hello.protocolHighest < lowest) {
      const theirs = `${hello.protocolLowest} to ${hello.protocolHighest}`;
      return refuse(
        refusals.protocol,
        `${they} speaks link protocol ${theirs}, ${we} ${lowest} to ${highest}`,
      );
    }
    if (hello.clusterId !== clusterId) {
      return refuse(
        refusals.cluster,
        `${they} is of cluster ${hello.clusterId}, ${we} of cluster ${clusterId}`,
      );
    }
    const hasSecret = (hello.capabilities & capabilities.secret) !== 0;
    if (hasSecret === (secret !== null)) return null;
    const [has, hasNot] = hasSecret ? [they, we] : [we, they];
    return refuse(refusals.secret, `${has} has a shared secret, ${hasNot} has none`);
  }

  #judgeNode(hello: Hello, connection: Connection, now: number): Refusal | null {
    const { nodeId } = this.#identity;
    if (hello.nodeId === nodeId) {
      const isSelf = this.#instance.equals(hello.instance);
      return refuse(
        refusals.duplicateNode,
        isSelf
          ? `the address of node [${connection.dialledNode}] leads back to this node`
          : `duplicate node id: two processes are node [${nodeId}]`,
      );
    }
    const peer = this.#peers.get(hello.nodeId);
    if (peer === null)
      return refuse(refusals.unknownNode, `node [${hello.nodeId}] is not a member of the cluster`);
    if (!peer.member.enabled)
      return refuse(refusals.disabledNode, `node [${peer.id}] is disabled in the membership`);
    const distrust = this.#judgeCertificate(peer, connection);
    if (distrust !== null) return distrust;
    const isProved = this.#identity.secret !== null || connection.isSecure;
    if (!isProved && !isSameAddress(connection.remoteAddress, peer.member.address)) {
      return refuse(refusals.address, `node [${peer.id}] is listed at ${peer.member.address}`);
    }
    return this.#judgeRival(peer, hello, connection, now);
  }

  /** The address that was dialled says whether the link is TLS; then each certificate names the node at its address. */
  #judgeCertificate(peer: Peer, connection: Connection): Refusal | null {
    if (!connection.isSecure) {
      if (connection.dialledNode !== 0 || !this.requiresTls) return null;
      return refuse(
        refusals.certificate,
        `node [${peer.id}] comes without TLS, node [${this.#identity.nodeId}] is listed with bins:`,
      );
    }
    const distrust = connection.distrust(peer.member.address);
    if (distrust === '') return null;
    return refuse(refusals.certificate, `the certificate of node [${peer.id}] ${distrust}`);
  }

  /** There is a link to that node already: the same process again, or a second one with its id? */
  #judgeRival(peer: Peer, hello: Hello, connection: Connection, now: number): Refusal | null {
    const old = peer.connection;
    if (old === null) return null;
    const isSameProcess = Buffer.from(old.hello!.instance).equals(hello.instance);
    if (isSameProcess) {
      const keepsOld = this.#isDialledByLower(peer, old) && !this.#isDialledByLower(peer, connection);
      return keepsOld ? refuse(refusals.busy, 'there is a link already') : null;
    }
    // The old link of a node that restarted ends in a moment, or is silent; one that goes on speaking is of a rival.
    const settled = 2 * this.#settings.heartbeat;
    if (now - peer.heard > settled) return null;
    if (peer.rivalSince === -1) peer.rivalSince = now;
    if (peer.heard - peer.rivalSince < settled / 2) {
      return refuse(refusals.busy, `there is a link of node [${peer.id}] already`);
    }
    return refuse(refusals.duplicateNode, `duplicate node id: node [${peer.id}] is up at ${old.remote}`);
  }

  /** Two links of one pair may cross; both ends keep the one that the lower id dialled. */
  #isDialledByLower(peer: Peer, connection: Connection): boolean {
    return (connection.dialledNode !== 0) === this.#identity.nodeId < peer.id;
  }
}

function refuse(code: number, reason: string): Refusal {
  return { code, reason };
}

/** `::ffff:10.0.0.1` is 10.0.0.1. Names never match: without a secret the list must hold addresses. */
function isSameAddress(left: string, right: string): boolean {
  const plain = (address: string): string => address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return plain(left) === plain(right);
}
