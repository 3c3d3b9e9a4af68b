/**
 * What this node proves itself with on TLS links, and whom it believes: a certificate, its key and the authorities, read
 * from files at start and on every reload. Links that are up are not touched by a reload.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { Failure, isFailure } from '#util/failure.ts';

/** Paths of PEM files, and the names of the parameters they came from. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly privateKey: string;
  /** Every authority whose certificates are believed. */
  readonly authorities: string;
}

/** The oldest that RFC 8996 leaves. */
const minVersion = 'TLSv1.2';

/** Days before the end of our own certificate at which the log begins to say so. */
const warningDays = 14;
const dayMilliseconds = 86_400_000;

export class LinkCertificates {
  readonly #files: CertificateFiles;
  #options: SecureContextOptions;
  #certificate: X509Certificate;

  private constructor(files: CertificateFiles, loaded: Loaded) {
    this.#files = files;
    this.#options = loaded.options;
    this.#certificate = loaded.certificate;
  }

  /** Failure: NET_CERTIFICATE_UNUSABLE. */
  static load(files: CertificateFiles): LinkCertificates | Failure {
    const loaded = load(files);
    return isFailure(loaded) ? loaded : new LinkCertificates(files, loaded);
  }

  /** For `tls.createServer` and `tls.connect`; another object after a reload. */
  get options(): SecureContextOptions {
    return this.#options;
  }

  /** Reads the files again; at a Failure (NET_CERTIFICATE_UNUSABLE) what was read before stays. */
  reload(): Failure | null {
    const loaded = load(this.#files);
    if (isFailure(loaded)) return loaded;
    this.#options = loaded.options;
    this.#certificate = loaded.certificate;
    return null;
  }

  /** What an operator must know of our own certificate; '' while it is good for long. `wall`: ms since 1970. */
  warning(wall: number): string {
    const { validTo, validFrom } = this.#certificate;
    const { certificate } = this.#files;
    if (Date.parse(validFrom) > wall) return `${certificate} is not valid before ${validFrom}`;
    if (Date.parse(validTo) <= wall) return `${certificate} has expired on ${validTo}`;
    const isNear = Date.parse(validTo) - wall < warningDays * dayMilliseconds;
    return isNear ? `${certificate} expires on ${validTo}` : '';
  }
}

interface Loaded {
  readonly options: SecureContextOptions;
  readonly certificate: X509Certificate;
}

function load(files: CertificateFiles): Loaded | Failure {
  const contents = new Map<string, Buffer>();
  for (const path of [files.certificate, files.privateKey, files.authorities]) {
    try {
      contents.set(path, readFileSync(path));
    } catch (error) {
      return unusable(`${path} cannot be read`, error);
    }
  }
  const [cert, key, ca] = [files.certificate, files.privateKey, files.authorities].map(
    (path) => contents.get(path)!,
  );
  try {
    const certificate = new X509Certificate(cert!);
    // An empty list of authorities would be taken for "those of the system".
    void new X509Certificate(ca!);
    const options: SecureContextOptions = { cert, key, ca, minVersion };
    createSecureContext(options);
    return { certificate, options };
  } catch (error) {
    const places = `${files.certificate}, ${files.privateKey}, ${files.authorities}`;
    return unusable(`certificate, key and authorities (${places}) are of no use together`, error);
  }
}

function unusable(what: string, error: unknown): Failure {
  const cause = error instanceof Error ? error.message : String(error);
  return new Failure('NET_CERTIFICATE_UNUSABLE', `TLS links: ${what}: ${cause}`);
}
