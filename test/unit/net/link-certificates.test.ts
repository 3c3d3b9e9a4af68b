import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LinkCertificates } from '#net/link-certificates.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { opensslMissing, TestAuthority } from '../../support/test-authority.ts';

const missing = opensslMissing();
if (missing !== '') console.log(`Skipped: certificates of links: ${missing}`);

function must<Value>(value: Value | Failure): Value {
  if (value instanceof Failure) throw new Error(value.message);
  return value;
}

describe.skipIf(missing !== '')('certificates of links', () => {
  const authority = TestAuthority.make();
  afterAll(() => authority.remove());
  const files = authority.issue('node1', { addresses: ['127.0.0.1'] });
  const other = authority.issue('node2', { addresses: ['127.0.0.2'] });

  it.each([
    [
      'a file that is not there',
      { ...files, privateKey: '/nowhere/key.pem' },
      '/nowhere/key.pem cannot be read',
    ],
    ['a key of another certificate', { ...files, privateKey: other.privateKey }, 'of no use together'],
    ['a key for the list of authorities', { ...files, authorities: files.privateKey }, 'of no use together'],
  ])('name %s', (_name, wrong, problem) => {
    const loaded = LinkCertificates.load(wrong);
    expect(isFailure(loaded) && loaded.code).toBe('NET_CERTIFICATE_UNUSABLE');
    expect(isFailure(loaded) && loaded.message).toContain(problem);
  });

  it('are read again, and stay when what is there now is no good', () => {
    const loaded = must(LinkCertificates.load(files));
    const before = loaded.options;
    expect(loaded.reload()).toBeNull();
    expect(loaded.options).not.toBe(before);
    const kept = loaded.options;
    writeFileSync(join(authority.folder, 'node1.pem'), 'half a file');
    expect(loaded.reload()?.code).toBe('NET_CERTIFICATE_UNUSABLE');
    expect(loaded.options).toBe(kept);
  });

  it('warn before they end', () => {
    const loaded = must(LinkCertificates.load(other));
    const day = 86_400_000;
    expect(loaded.warning(Date.now())).toMatch(/node2.pem expires on /);
    expect(loaded.warning(Date.now() - 12 * day)).toMatch(/is not valid before /);
    expect(loaded.warning(Date.now() + 4 * day)).toMatch(/has expired on /);
  });
});
