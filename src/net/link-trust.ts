/**
 * Is the node at the other end of a TLS link who it should be? Each side finds out for itself once the link is open and
 * then says so in a REFUSE, since a TLS alert names no cause and Node sends none for a certificate it rejects.
 */

import { checkServerIdentity, type TLSSocket } from 'node:tls';

/** OpenSSL's words for what has one cause for an operator: the chain does not lead to an authority we believe. */
const authorityProblems: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
];

/** The end of "the certificate of node [2] …", or '' when it proves the node listed at `address`. */
export function distrustOf(socket: TLSSocket, address: string): string {
  const certificate = socket.getPeerCertificate();
  // An empty object when the other side showed none.
  if (certificate === null || certificate.raw === undefined) return 'is missing: it showed none';
  if (!socket.authorized) {
    const problem = codeOf(socket.authorizationError);
    if (problem === 'CERT_HAS_EXPIRED') return `has expired on ${certificate.valid_to}`;
    if (problem === 'CERT_NOT_YET_VALID') return `is not valid before ${certificate.valid_from}`;
    if (authorityProblems.includes(problem)) {
      return `is of an authority that the ca_list of the other does not have (${problem})`;
    }
    if (problem === 'INVALID_PURPOSE') return 'must be good for serverAuth and clientAuth (extendedKeyUsage)';
    return `is not accepted (${problem})`;
  }
  if (checkServerIdentity(address, certificate) === undefined) return '';
  const names = certificate.subjectaltname ?? `CN:${String(certificate.subject?.CN ?? '')}`;
  return `names ${names}, not ${address} as it is listed`;
}

function codeOf(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return String(error);
}
