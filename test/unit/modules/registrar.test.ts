/** registrar: what flags and parameters change, targets of lookup(), questions and removals. */

import { describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import { statelessService } from '#module/services.ts';
import { registrar } from '#modules/registrar/declaration.ts';
import { readFlagList } from '#modules/registrar/flag-list.ts';
import { usrloc } from '#modules/usrloc/declaration.ts';
import { message, request, requestContext, ScriptBench, TestHost } from '../../support/module-host.ts';

interface SaveParts {
  readonly flags?: string;
  readonly domain?: string;
  readonly aor?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly prepare?: (context: MessageContext) => void;
}

class Bench {
  readonly host = new TestHost();
  readonly answers: { status: number; headers: string }[] = [];
  readonly script: ScriptBench<unknown>;
  readonly location: ScriptBench<unknown>;
  #cseq = 0;

  constructor(parameters: Record<string, unknown> = {}, location: Record<string, unknown> = {}) {
    this.host.provide(statelessService, {
      reply: (context: MessageContext, status: number) => {
        this.answers.push({ status, headers: context.replyHeaders });
        return 1;
      },
      absorbsAck: () => false,
    });
    this.location = new ScriptBench(usrloc as never, location, this.host);
    this.script = new ScriptBench(registrar as never, parameters, this.host);
  }

  /** `lines`: Contact values, or whole header lines. */
  save(lines: readonly string[], parts: SaveParts = {}): number {
    this.#cseq++;
    const { to = '<sip:bob@example.org>', callId = 'call-1', domain = 'location' } = parts;
    const context = requestContext(
      message(
        'REGISTER sip:example.org SIP/2.0',
        `Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK${this.#cseq}`,
        'From: <sip:bob@example.org>;tag=f1',
        `To: ${to}`,
        `Call-ID: ${callId}`,
        `CSeq: ${this.#cseq} REGISTER`,
        ...lines.map((line) => (/^[A-Z][A-Za-z-]+: /.test(line) ? line : `Contact: ${line}`)),
        '',
      ),
    );
    parts.prepare?.(context);
    return this.script.call(context, 'save', domain, parts.flags ?? null, parts.aor ?? null) as number;
  }

  lookup(
    flags: string | null = null,
    uri = 'sip:bob@example.org',
    prepare?: (context: MessageContext) => void,
  ) {
    const context = requestContext(request('INVITE', uri));
    prepare?.(context);
    const result = this.script.call(context, 'lookup', 'location', flags) as number;
    const uris = [context.requestUri, ...context.branches.map((branch) => branch.requestUri)];
    return { result, context, uris };
  }

  ask(name: string, ...values: unknown[]): number {
    return this.script.call(
      requestContext(request('OPTIONS', 'sip:bob@example.org')),
      name,
      ...values,
    ) as number;
  }

  /** The last answer. */
  get answer() {
    return this.answers.at(-1)!;
  }
}

describe('flags', () => {
  const spellings = [
    { letter: 'c', name: 'max-contacts', value: 'number' },
    { letter: 'f', name: 'force-registration', value: 'none' },
    { letter: 'u', name: 'ua-filtering', value: 'slashed' },
    { letter: 'r', name: 'branch', value: 'none' },
  ] as const;

  it.each([
    ['c2f', { 'max-contacts': '2', 'force-registration': '' }, []],
    ['max-contacts=2, force-registration', { 'max-contacts': '2', 'force-registration': '' }, []],
    ['u/^a,b$/r', { 'ua-filtering': '^a,b$', branch: '' }, []],
    ['ua-filtering=/x,y/,branch', { 'ua-filtering': 'x,y', branch: '' }, []],
    ['branch', { branch: '' }, []],
    ['cz', { 'max-contacts': '' }, ['z']],
    ['force-registration,max-hats=3', { 'force-registration': '' }, ['max-hats=3']],
  ])('"%s" is read as letters or as names', (text, flags, unknown) => {
    const read = readFlagList(text, spellings);
    expect(Object.fromEntries(read.flags)).toEqual(flags);
    expect(read.unknown).toEqual(unknown);
  });
});

describe('save()', () => {
  it.each(['c1f', 'max-contacts=1,force-registration'])('%s: the oldest contact makes room', (flags) => {
    const bench = new Bench();
    bench.save(['<sip:bob@one>'], { flags });
    bench.host.clock.advance(1000);
    expect(bench.save(['<sip:bob@two>'], { flags })).toBe(1);
    expect(bench.lookup().uris).toEqual(['sip:bob@two']);
    // More at once than there is room for is still too many.
    expect(bench.save(['<sip:bob@three>', '<sip:bob@four>'], { flags })).toBe(-1);
    expect(bench.answer.status).toBe(503);
  });

  it.each(['e120E300', 'min-expires=120,max-expires=300'])('%s: limits of this call', (flags) => {
    const bench = new Bench();
    expect(bench.save(['<sip:bob@one>;expires=100'], { flags })).toBe(-1);
    expect(bench.answer).toMatchObject({
      status: 423,
      headers: expect.stringContaining('Min-Expires: 120\r\n'),
    });
    bench.save(['<sip:bob@one>;expires=1000'], { flags });
    expect(bench.answer.headers).toContain('expires=300');
  });

  it.each(['r', 'no-reply'])('%s: the script answers', (flags) => {
    const bench = new Bench();
    expect(bench.save(['<sip:bob@one>'], { flags })).toBe(1);
    expect(bench.answers).toEqual([]);
    expect(bench.lookup().uris).toEqual(['sip:bob@one']);
  });

  it.each(['o', 'only-request-contacts'])('%s: the answer has what the request named', (flags) => {
    const bench = new Bench();
    bench.save(['<sip:bob@one>']);
    bench.save(['<sip:bob@two>'], { flags });
    expect(bench.answer.headers).toMatch(/^Contact: <sip:bob@two>;expires=3600\r\n/);
  });

  it('matching-mode: other things than the URI tell contacts apart', () => {
    const byCallId = new Bench();
    byCallId.save(['<sip:bob@one>'], { flags: 'matching-mode=1', callId: 'a' });
    byCallId.save(['<sip:bob@one>'], { flags: 'M1', callId: 'a' });
    expect(byCallId.lookup().uris).toHaveLength(1);
    const byParameter = new Bench();
    byParameter.save(['<sip:bob@one;rinstance=1;transport=udp>'], { flags: 'M<rinstance>' });
    byParameter.save(['<sip:bob@one;rinstance=1;transport=tcp>'], { flags: 'M<rinstance>' });
    byParameter.save(['<sip:bob@one;rinstance=2>'], { flags: 'matching-mode=<rinstance>' });
    expect(byParameter.lookup().uris).toHaveLength(2);
  });

  it('tells of a flag that it does not know, once', () => {
    const bench = new Bench();
    bench.save(['<sip:bob@one>'], { flags: 'max-contacts=5,be-nice' });
    bench.save(['<sip:bob@one>'], { flags: 'max-contacts=5,be-nice' });
    expect(bench.host.lines('warn')).toEqual([
      'save(): "be-nice" is no flag that is known here; it is skipped',
    ]);
  });

  it('keeps what the script found out: received address, branch flags', () => {
    const bench = new Bench({ received_avp: '$avp(rcv)' }, { nat_bflag: 'NAT' });
    bench.save(['<sip:bob@192.168.1.2>'], {
      prepare: (context) => {
        context.attributes.set('rcv', ['sip:203.0.113.9:4000']);
        context.branchFlags = 1;
      },
    });
    expect(bench.answer.headers).toContain(';received="sip:203.0.113.9:4000"');
    const { context } = bench.lookup();
    expect([context.requestUri, context.destinationUri, context.branchFlags]).toEqual([
      'sip:bob@192.168.1.2',
      'sip:203.0.113.9:4000',
      1,
    ]);
  });

  it('takes the address that a proxy before it added, and nothing that would break the answer', () => {
    const bench = new Bench();
    bench.save(['<sip:bob@one>;received="sip:203.0.113.9:4000"']);
    expect(bench.answer.headers).toContain('received="sip:203.0.113.9:4000"');
    bench.save(['<sip:bob@one>;received="sip:\\"x"']);
    expect(bench.answer.headers).not.toContain('received');
  });

  it('aor and domain: what the script says, kept apart', () => {
    const bench = new Bench();
    bench.save(['<sip:a@one>'], { aor: 'sip:alice@elsewhere.net' });
    bench.save(['<sip:b@one>'], { domain: 'staff' });
    expect(bench.lookup(null, 'sip:alice@elsewhere.net').uris).toEqual(['sip:a@one']);
    expect(bench.lookup().result).toBe(-1);
    const context = requestContext(request('INVITE', 'sip:bob@example.org'));
    expect(bench.script.call(context, 'lookup', 'staff')).toBe(1);
    expect(context.requestUri).toBe('sip:b@one');
  });

  it('case_sensitive, use_domain and realm_prefix decide which addresses are one', () => {
    const bench = new Bench({ case_sensitive: 0, realm_prefix: 'sip.' });
    bench.save(['<sip:bob@one>'], { to: '<sip:BOB@example.org>' });
    expect(bench.lookup(null, 'sip:Bob@sip.example.org').result).toBe(1);
    expect(new Bench().save(['<sip:bob@one>'])).toBe(1);
    const bare = new Bench({}, { use_domain: 0 });
    bare.save(['<sip:bob@one>']);
    expect(bare.lookup(null, 'sip:bob@anywhere.else').result).toBe(1);
  });

  it('is for REGISTER alone', () => {
    const bench = new Bench();
    expect(bench.ask('save', 'location')).toBe(-1);
    expect(bench.answer.status).toBe(405);
  });

  it('counts', () => {
    const bench = new Bench();
    bench.save(['<sip:bob@one>']);
    bench.save(['<sip:bob@two>;q=7']);
    expect(bench.host.statistics.read(['registrar:'])).toMatchObject({
      'registrar:accepted_regs': 1,
      'registrar:rejected_regs': 1,
      'registrar:default_expire': 3600,
    });
  });
});

describe('lookup()', () => {
  function three(): Bench {
    const bench = new Bench();
    bench.save(['<sip:bob@low>;q=0.1', 'Allow: INVITE', 'User-Agent: Desk 1'], { callId: 'a' });
    bench.save(['<sip:bob@high>;q=0.9;methods="MESSAGE"', 'User-Agent: Soft 2'], { callId: 'b' });
    bench.save(['<sip:bob@middle>;q=0.5', 'User-Agent: desk 3'], { callId: 'c' });
    return bench;
  }

  it('the best q becomes the Request-URI, the others branches', () => {
    const { result, uris, context } = three().lookup();
    expect([result, uris]).toEqual([1, ['sip:bob@high', 'sip:bob@middle', 'sip:bob@low']]);
    expect([context.q, context.branches[0]!.q]).toEqual([900, 500]);
    expect(context.sendSocket).not.toBeNull();
  });

  it.each(['m', 'method-filtering'])('%s: contacts that do not allow the method are left out', (flags) => {
    expect(three().lookup(flags).uris).toEqual(['sip:bob@middle', 'sip:bob@low']);
    const bench = new Bench();
    bench.save(['<sip:bob@one>;methods="MESSAGE"']);
    expect(bench.lookup(flags).result).toBe(-2);
  });

  it.each(['b', 'no-branches'])('%s: the best alone', (flags) => {
    expect(three().lookup(flags).uris).toEqual(['sip:bob@high']);
  });

  it.each(['B', 'to-branches-only'])('%s: the Request-URI stays', (flags) => {
    expect(three().lookup(flags).uris).toEqual([
      'sip:bob@example.org',
      'sip:bob@high',
      'sip:bob@middle',
      'sip:bob@low',
    ]);
  });

  it.each(['r', 'branch'])('%s: branches are looked up too; what is nobody’s address stays', (flags) => {
    const bench = three();
    bench.save(['<sip:alice@here>'], { to: '<sip:alice@example.org>' });
    const branch = { destinationUri: null, path: '', q: -1, flags: 0, socket: null };
    const { uris } = bench.lookup(`${flags}`, 'sip:bob@example.org', (context) => {
      context.branches.push({ ...branch, requestUri: 'sip:alice@example.org' });
      context.branches.push({ ...branch, requestUri: 'sip:gateway.example.net' });
    });
    expect(uris.slice(3)).toEqual(['sip:alice@here', 'sip:gateway.example.net']);
  });

  it.each(['u/^desk/i', 'ua-filtering=/^desk/,case-insensitive'])('%s: by user agent', (flags) => {
    expect(three().lookup(flags).uris).toEqual(['sip:bob@middle', 'sip:bob@low']);
  });

  it('-1 for nobody, and for contacts that no proxy reaches', () => {
    const bench = new Bench();
    expect(bench.lookup().result).toBe(-1);
    bench.save(['<mailto:bob@example.org>']);
    expect(bench.lookup().result).toBe(-1);
    expect(bench.lookup(null, 'tel:+4930').result).toBe(-1);
  });
});

describe('questions and removals', () => {
  function two(): Bench {
    const bench = new Bench();
    bench.save(['<sip:bob@192.0.2.1:5062>;+sip.instance="<urn:x>"'], { callId: 'a' });
    bench.save(['<sip:bob@192.0.2.2>'], { callId: 'b', prepare: (context) => (context.branchFlags = 1) });
    return bench;
  }

  it('answer for the address that is named, that of From, or the Request-URI', () => {
    const bench = two();
    expect(bench.ask('is_registered', 'location')).toBe(-1);
    expect(bench.ask('is_registered', 'location', 'sip:bob@example.org')).toBe(1);
    expect(bench.ask('registered', 'location')).toBe(1);
    expect(bench.ask('is_contact_registered', 'location', 'sip:bob@example.org', 'sip:bob@192.0.2.2')).toBe(
      1,
    );
    expect(bench.ask('is_contact_registered', 'location', 'sip:bob@example.org', 'sip:bob@192.0.2.3')).toBe(
      -1,
    );
    expect(bench.ask('is_contact_registered', 'location', 'sip:bob@example.org', null, 'b')).toBe(1);
    expect(bench.ask('is_contact_registered', 'location', 'sip:bob@example.org', null, 'z')).toBe(-1);
    expect(bench.ask('is_ip_registered', 'location', 'sip:bob@example.org', '192.0.2.1')).toBe(1);
    expect(bench.ask('is_ip_registered', 'location', 'sip:bob@example.org', '192.0.2.1', 5060)).toBe(-1);
  });

  it.each([
    ['everything', []],
    ['a contact', ['sip:bob@192.0.2.1:5062']],
    ['a next hop', [null, '192.0.2.1']],
    ['an instance', [null, null, '<urn:x>']],
  ])('remove %s', (_name, rest) => {
    const bench = two();
    expect(bench.ask('remove', 'location', 'sip:bob@example.org', ...rest)).toBe(1);
    const left = rest.length === 0 ? [] : ['sip:bob@192.0.2.2'];
    expect(bench.lookup().uris).toEqual(left.length === 0 ? ['sip:bob@example.org'] : left);
    expect(bench.ask('remove', 'location', 'sip:bob@example.org', 'sip:none@none')).toBe(-1);
  });

  it('remove by flag', () => {
    const bench = two();
    bench.host.flagBit('branch', 'NAT');
    expect(bench.ask('remove', 'location', 'sip:bob@example.org', null, null, null, 'NAT')).toBe(1);
    expect(bench.lookup().uris).toEqual(['sip:bob@192.0.2.1:5062']);
  });

  it('remove_ip_port: whoever is reached there', () => {
    const bench = two();
    expect(bench.ask('remove_ip_port', '192.0.2.1', 5062, 'location')).toBe(1);
    expect(bench.ask('remove_ip_port', '192.0.2.1', 5062, 'location')).toBe(-1);
    expect(bench.lookup().uris).toEqual(['sip:bob@192.0.2.2']);
  });

  it('add_sock_hdr and socket-header: the socket comes with the request', () => {
    const bench = new Bench({ sock_hdr_name: 'X-Socket' });
    bench.save(['<sip:bob@one>', 'X-Socket: udp:198.51.100.7:5060'], { flags: 's' });
    const shown = bench.location.run('ul_show_contact', { table_name: 'location', aor: 'bob@example.org' });
    expect(shown).toMatchObject({ Contacts: [{ Socket: 'udp:198.51.100.7:5060' }] });
    expect(bench.lookup().context.sendSocket).toBeNull();
  });
});
