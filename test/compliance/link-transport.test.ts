/** What the cluster relies on of its byte streams: the fake in memory and the one over TCP must behave alike. */

import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Link, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import { LinkCertificates } from '#net/link-certificates.ts';
import { LinkConnector } from '#net/link-connector.ts';
import { LinkListener } from '#net/link-listener.ts';
import type { LinkEnvironment } from '#net/link-socket.ts';
import { isFailure } from '#util/failure.ts';
import { ClusterNetwork } from '../scenario/cluster-network.ts';
import { opensslMissing, TestAuthority } from '../support/test-authority.ts';

/** Writes down what it is told. */
class Recorder implements LinkUser {
  link: Link | null = null;
  opened = 0;
  drained = 0;
  bytes = Buffer.alloc(0);
  closed: string[] = [];

  onOpen(): void {
    this.opened++;
  }

  onBytes(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
  }

  onDrain(): void {
    this.drained++;
  }

  onClose(reason: string): void {
    this.closed.push(reason);
  }
}

interface Subject {
  readonly transport: LinkTransport;
  readonly address: string;
  readonly port: number;
  readonly secure: boolean;
  /** Accepted links, in order. */
  readonly accepted: Recorder[];
  /** Lets things happen until `condition` holds; fails when it does not come. */
  until(condition: () => boolean): Promise<void>;
  /** Lets a little happen, for what must not. */
  settle(): Promise<void>;
  /** Accepts no more. */
  deafen(): Promise<void>;
  close(): Promise<void>;
}

async function memorySubject(): Promise<Subject> {
  const network = new ClusterNetwork(7);
  network.faults = { delay: [1, 3], chopChance: 0.5, cutChance: 0 };
  const accepted: Recorder[] = [];
  network.listen('10.0.0.2', (link) => {
    const recorder = new Recorder();
    recorder.link = link;
    accepted.push(recorder);
    return recorder;
  });
  let now = 0;
  const step = (): void => {
    now++;
    network.step(now);
  };
  return {
    transport: network.transportOf('10.0.0.1'),
    address: '10.0.0.2',
    port: 5566,
    secure: false,
    accepted,
    until: async (condition) => {
      for (let turn = 0; turn < 10_000 && !condition(); turn++) step();
      expect(condition()).toBe(true);
    },
    settle: async () => {
      for (let turn = 0; turn < 50; turn++) step();
    },
    deafen: async () => network.kill('10.0.0.2'),
    close: async () => undefined,
  };
}

/** On a free port of loopback. */
async function listen(
  environment: LinkEnvironment,
  certificates: LinkCertificates | null,
): Promise<{ listener: LinkListener; accepted: Recorder[] }> {
  const accepted: Recorder[] = [];
  const listener = await LinkListener.listen({
    address: '127.0.0.1',
    port: 0,
    environment,
    certificates,
    accept: (link) => {
      const recorder = new Recorder();
      recorder.link = link;
      accepted.push(recorder);
      return recorder;
    },
  });
  if (isFailure(listener)) throw new Error(listener.message);
  return { listener, accepted };
}

async function tcpSubject(certificates: LinkCertificates | null = null): Promise<Subject> {
  const broken: unknown[] = [];
  const environment: LinkEnvironment = {
    monotonic: () => performance.now(),
    afterEvent: () => undefined,
    onBroken: (error) => broken.push(error),
  };
  const { listener, accepted } = await listen(environment, certificates);
  const connector = new LinkConnector(environment, { certificates });
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    transport: connector,
    address: '127.0.0.1',
    port: listener.port,
    secure: certificates !== null,
    accepted,
    until: async (condition) => {
      for (let turns = 0; turns < 5000 && !condition(); turns++) await turn();
      expect(condition()).toBe(true);
    },
    settle: async () => {
      for (let turns = 0; turns < 20; turns++) await turn();
    },
    deafen: () => listener.close(),
    close: async () => {
      connector.close();
      await listener.close();
      expect(broken).toEqual([]);
    },
  };
}

/** One for both ends, as a node that dials itself would have it. */
function certificates(): LinkCertificates {
  const loaded = LinkCertificates.load(authority.issue('node', { addresses: ['127.0.0.1'] }));
  if (isFailure(loaded)) throw new Error(loaded.message);
  return loaded;
}

const missing = opensslMissing();
if (missing !== '') console.log(`Skipped: links over TLS: ${missing}`);
const authority = TestAuthority.make();
afterAll(() => authority.remove());

describe.each([
  { name: 'in memory', make: memorySubject },
  { name: 'over TCP', make: () => tcpSubject() },
  ...(missing === '' ? [{ name: 'over TLS', make: () => tcpSubject(certificates()) }] : []),
])('a link $name', ({ make }) => {
  let subject: Subject;
  afterEach(() => subject.close());

  async function linked(): Promise<{ near: Recorder; far: Recorder }> {
    subject = await make();
    const near = new Recorder();
    near.link = subject.transport.connect(subject, near);
    expect(near.opened).toBe(0);
    await subject.until(() => near.opened === 1 && subject.accepted.length === 1);
    return { near, far: subject.accepted[0]! };
  }

  it('opens, knows its other side, and carries bytes both ways', async () => {
    const { near, far } = await linked();
    expect(near.link!.remoteAddress).toBe(subject.address);
    expect(near.link!.remotePort).toBe(subject.port);
    expect(far.link!.remotePort).toBeGreaterThan(0);
    near.link!.write(Buffer.from('to the far side'));
    far.link!.write(Buffer.from('to the near side'));
    await subject.until(() => far.bytes.length === 15 && near.bytes.length === 16);
    expect(String(far.bytes)).toBe('to the far side');
    expect(String(near.bytes)).toBe('to the near side');
    expect([near.opened, far.opened, near.closed, far.closed]).toEqual([1, 0, [], []]);
  });

  it('keeps order whatever the chunks are', async () => {
    const { near, far } = await linked();
    const expected: Buffer[] = [];
    for (let index = 0; index < 200; index++) {
      const bytes = Buffer.from(`${index},`.repeat(20));
      expected.push(bytes);
      near.link!.write(bytes);
    }
    const whole = Buffer.concat(expected);
    await subject.until(() => far.bytes.length === whole.length);
    expect(far.bytes.equals(whole)).toBe(true);
  });

  it('says when it has enough, and when it wants more', async () => {
    const { near, far } = await linked();
    let written = 0;
    let wantsMore = true;
    while (wantsMore && written < 64 * 1024 * 1024) {
      wantsMore = near.link!.write(Buffer.alloc(32 * 1024, 1));
      written += 32 * 1024;
    }
    expect(wantsMore).toBe(false);
    expect(near.drained).toBe(0);
    await subject.until(() => near.drained > 0 && far.bytes.length === written);
  });

  it('sends what was written before it closes, and then tells the other side once', async () => {
    const { near, far } = await linked();
    near.link!.write(Buffer.from('last words'));
    near.link!.close();
    await subject.until(() => far.closed.length > 0);
    await subject.settle();
    expect(String(far.bytes)).toBe('last words');
    expect(far.closed).toHaveLength(1);
    expect(near.closed).toEqual([]);
  });

  it('gives last words to a side that is speaking itself', async () => {
    const { near, far } = await linked();
    far.link!.write(Buffer.from('unread'));
    near.link!.write(Buffer.from('last words'));
    near.link!.close();
    far.link!.write(Buffer.from('unread too'));
    await subject.until(() => far.closed.length > 0);
    expect(String(far.bytes)).toBe('last words');
  });

  it('ignores writes after its end', async () => {
    const { near, far } = await linked();
    far.link!.close();
    await subject.until(() => near.closed.length === 1);
    expect(near.link!.write(Buffer.from('too late'))).toBe(true);
    near.link!.close();
    await subject.settle();
    expect(far.bytes).toHaveLength(0);
    expect(near.closed).toHaveLength(1);
  });

  it('reports a dial that nobody answers', async () => {
    subject = await make();
    await subject.deafen();
    const near = new Recorder();
    near.link = subject.transport.connect(subject, near);
    await subject.until(() => near.closed.length === 1);
    expect(near.opened).toBe(0);
    expect(near.closed[0]).toContain('ECONNREFUSED');
  });

  it('can be closed while it is dialled, and says nothing then', async () => {
    subject = await make();
    const near = new Recorder();
    near.link = subject.transport.connect(subject, near);
    near.link.close();
    await subject.settle();
    expect([near.opened, near.closed]).toEqual([0, []]);
  });
});

describe('the TCP listener', () => {
  const environment: LinkEnvironment = {
    monotonic: () => 0,
    afterEvent: () => undefined,
    onBroken: () => undefined,
  };
  const accept = (link: Link): LinkUser => {
    const recorder = new Recorder();
    recorder.link = link;
    return recorder;
  };

  it('names an address that is taken or not ours', async () => {
    const first = await LinkListener.listen({ address: '127.0.0.1', port: 0, environment, accept });
    if (isFailure(first)) throw new Error(first.message);
    const second = await LinkListener.listen({ address: '127.0.0.1', port: first.port, environment, accept });
    expect(second).toMatchObject({ code: 'NET_LINK_ADDRESS_UNUSABLE' });
    expect(isFailure(second) && second.message).toContain(`bin:127.0.0.1:${first.port}: another process`);
    const third = await LinkListener.listen({ address: '192.0.2.1', port: 0, environment, accept });
    expect(isFailure(third) && third.message).toContain('this machine does not have the address');
    await first.close();
  });

  it.skipIf(missing !== '')(
    'takes plain links beside those over TLS where it has a certificate, and closes one that says nothing',
    async () => {
      const { listener, accepted } = await listen(environment, certificates());
      const connector = new LinkConnector(environment, { certificates: certificates() });
      const [plain, secure, silent] = [new Recorder(), new Recorder(), new Recorder()];
      plain.link = connector.connect({ address: '127.0.0.1', port: listener.port, secure: false }, plain);
      silent.link = connector.connect({ address: '127.0.0.1', port: listener.port, secure: false }, silent);
      plain.link.write(Buffer.from('plain'));
      secure.link = connector.connect({ address: '127.0.0.1', port: listener.port, secure: true }, secure);
      const turns = async (condition: () => boolean): Promise<void> => {
        while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
      };
      await turns(() => secure.opened === 1 && accepted.length === 2);
      secure.link.write(Buffer.from('secure'));
      await turns(() => accepted.every((recorder) => recorder.bytes.length > 0));
      const seen = accepted.map(({ link, bytes }) => `${String(bytes)} ${link!.isSecure}`).sort();
      expect(seen).toEqual(['plain false', 'secure true']);
      expect(secure.link.distrust('127.0.0.1')).toBe('');
      expect(secure.link.distrust('127.0.0.2')).toBe(
        'names IP Address:127.0.0.1, not 127.0.0.2 as it is listed',
      );
      await turns(() => silent.closed.length === 1);
      expect(plain.closed).toEqual([]);
      connector.close();
      await listener.close();
    },
  );

  it('cuts a link whose user breaks an invariant, and only that one', async () => {
    const broken: unknown[] = [];
    const loud = { ...environment, onBroken: (error: unknown): void => void broken.push(error) };
    const closed: string[] = [];
    const listener = await LinkListener.listen({
      address: '127.0.0.1',
      port: 0,
      environment: loud,
      accept: () => ({
        onOpen: () => undefined,
        onBytes: () => {
          throw new Error('broken on purpose');
        },
        onDrain: () => undefined,
        onClose: (reason) => closed.push(reason),
      }),
    });
    if (isFailure(listener)) throw new Error(listener.message);
    const connector = new LinkConnector(environment);
    const near = new Recorder();
    near.link = connector.connect({ address: '127.0.0.1', port: listener.port, secure: false }, near);
    near.link.write(Buffer.from('x'));
    while (near.closed.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(broken).toHaveLength(1);
    expect(closed).toEqual(['closed because of an error in anyvia itself']);
    await listener.close();
  });
});
