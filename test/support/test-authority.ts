/** A certificate authority of a test's own, by the openssl of Debian: certificates in a folder that is gone afterwards. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from '#net/link-certificates.ts';

export interface CertificateOptions {
  readonly addresses?: readonly string[];
  readonly names?: readonly string[];
  /** `YYYYMMDDHHMMSSZ`; absent: it is good for some days. */
  readonly until?: string;
  /** `extendedKeyUsage`, absent: both sides of a link. */
  readonly usage?: string;
}

/** Why no certificates can be made here; '' when they can. */
export function opensslMissing(): string {
  return spawnSync('openssl', ['version']).status === 0 ? '' : 'no openssl here (Debian package openssl)';
}

export class TestAuthority {
  readonly folder: string;
  /** Without openssl it only names files: the tests that would read them are skipped. */
  readonly #isReal = opensslMissing() === '';

  private constructor(folder: string) {
    this.folder = folder;
  }

  static make(name = 'test authority'): TestAuthority {
    const authority = new TestAuthority(mkdtempSync(join(tmpdir(), 'anyvia-ca-')));
    authority.#run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key');
    const request = ['req', '-new', '-x509', '-key', 'ca.key', '-out', 'ca.pem'];
    authority.#run(...request, '-days', '3', '-subj', `/CN=${name}`);
    writeFileSync(join(authority.folder, 'index.txt'), '');
    writeFileSync(join(authority.folder, 'serial'), '01\n');
    return authority;
  }

  /** Files of a new certificate, or of another one in place of that name's. */
  issue(name: string, options: CertificateOptions = {}): CertificateFiles {
    const { addresses = [], names = [], until = null, usage = 'serverAuth,clientAuth' } = options;
    const alternatives = [...addresses.map((one) => `IP:${one}`), ...names.map((one) => `DNS:${one}`)];
    writeFileSync(join(this.folder, `${name}.cnf`), configuration(alternatives, usage));
    if (!existsSync(join(this.folder, `${name}.key`)))
      this.#run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
    this.#run('req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const dates = until === null ? ['-days', '3'] : ['-startdate', '20200101000000Z', '-enddate', until];
    const sign = ['ca', '-batch', '-notext', '-config', `${name}.cnf`, '-in', `${name}.csr`];
    this.#run(...sign, '-out', `${name}.pem`, ...dates);
    return {
      certificate: join(this.folder, `${name}.pem`),
      privateKey: join(this.folder, `${name}.key`),
      authorities: join(this.folder, 'ca.pem'),
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(...parameters: string[]): void {
    if (!this.#isReal) return;
    const done = spawnSync('openssl', parameters, { cwd: this.folder, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`openssl ${parameters.join(' ')}: ${done.error ?? done.stderr}`);
  }
}

function configuration(alternatives: readonly string[], usage: string): string {
  return `[ca]
default_ca = this
[this]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
x509_extensions = extensions
unique_subject = no
[any]
commonName = supplied
[extensions]
basicConstraints = CA:FALSE
extendedKeyUsage = ${usage}
${alternatives.length === 0 ? '' : `subjectAltName = ${alternatives.join(',')}`}
`;
}
