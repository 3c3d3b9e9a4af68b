/** Which files the links over TLS use, out of the parameters of `tls_mgm`, whose domains are one here. */

import type { ParameterValues } from '#module/define.ts';
import type { CertificateFiles } from '#net/link-certificates.ts';
import { Failure, isFailure } from '#util/failure.ts';

/** Null: the script names none of them. Failures: SERVER_CERTIFICATE_AMBIGUOUS, SERVER_CERTIFICATE_MISSING. */
export function readCertificates(parameters: ParameterValues | null): CertificateFiles | Failure | null {
  const names = ['certificate', 'private_key', 'ca_list'] as const;
  const paths: string[] = [];
  for (const name of names) {
    const path = pathOf(name, parameters?.[name] ?? null);
    if (isFailure(path)) return path;
    paths.push(path);
  }
  const missing = names.filter((_name, index) => paths[index] === '');
  if (missing.length === names.length) return null;
  if (missing.length > 0) {
    return new Failure('SERVER_CERTIFICATE_MISSING', `tls_mgm: set ${missing.join(' and ')} too`);
  }
  return { certificate: paths[0]!, privateKey: paths[1]!, authorities: paths[2]! };
}

/** A node that is listed with `bins:`, or has such a socket. */
export function certificatesMissing(): Failure {
  return new Failure(
    'SERVER_CERTIFICATE_MISSING',
    'links over TLS (bins:) need certificate, private_key and ca_list of tls_mgm',
  );
}

/** Values are `PATH` or `[domain]PATH`; '' when there is none. */
function pathOf(name: string, values: ParameterValues[string]): string | Failure {
  const list = (Array.isArray(values) ? values : values === null ? [] : [values]) as readonly unknown[];
  const paths = new Set(list.map((value) => String(value).replace(/^\[[^\]]*\]/, '')));
  if (paths.size <= 1) return [...paths][0] ?? '';
  return new Failure(
    'SERVER_CERTIFICATE_AMBIGUOUS',
    `tls_mgm: ${name} is ${[...paths].join(' and ')}: the links of a node have one for all domains`,
  );
}
