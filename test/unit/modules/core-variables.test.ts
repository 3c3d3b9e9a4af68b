import { describe, expect, it } from 'vitest';
import { core } from '#modules/core/declaration.ts';
import {
  invite,
  message,
  reply,
  replyContext,
  request,
  requestContext,
  ScriptBench,
} from '../../support/module-host.ts';

const bench = new ScriptBench(core);

describe('variables of a request', () => {
  const context = requestContext(
    invite(
      'Contact: "A" <sip:alice@10.0.0.9:5070>;q=0.5;expires=60, <sip:b@10.0.0.8>',
      'User-Agent: phone 1',
      'X-Note: one',
      'X-Note: two',
      'P-Asserted-Identity: "Al" <sip:+4912@example.com>',
      'Diversion: <sip:carol@example.org>;reason=no-answer;privacy=off',
      'Proxy-Authorization: Digest username="alice@example.com", realm="example.com", nonce="n,1", uri="sip:x", response="r", qop=auth, nc=00000001',
    ),
  );

  it.each([
    ['ru', 'sip:bob@example.org'],
    ['ruri', 'sip:bob@example.org'],
    ['rU', 'bob'],
    ['rd', 'example.org'],
    ['rp', 5060],
    ['rP', 'udp'],
    ['ou', 'sip:bob@example.org'],
    ['oU', 'bob'],
    ['du', null],
    ['dd', null],
    ['fu', 'sip:alice@example.com:5070;user=phone'],
    ['fU', 'alice'],
    ['fd', 'example.com'],
    ['fn', 'Alice'],
    ['ft', 'f1'],
    ['tu', 'sip:bob@example.org'],
    ['to.user', 'bob'],
    ['tt', null],
    ['ci', 'call-1'],
    ['cs', 7],
    ['rm', 'INVITE'],
    ['rs', null],
    ['rr', null],
    ['ua', 'phone 1'],
    ['cl', null],
    ['cT', null],
    ['rb', null],
    ['msg.is_request', 1],
    ['msg.type', 'request'],
    ['si', '10.0.0.9'],
    ['sp', 5070],
    ['socket_in', 'udp:10.0.0.1:5060'],
    ['Ri', '10.0.0.1'],
    ['Rp', 5060],
    ['proto', 'udp'],
    ['af', 'INET'],
    ['au', 'alice'],
    ['aU', 'alice@example.com'],
    ['ad', 'example.com'],
    ['ar', 'example.com'],
    ['an', 'n,1'],
    ['auth.resp', 'r'],
    ['auth.nc', '00000001'],
    ['ai', 'sip:+4912@example.com'],
    ['di', 'sip:carol@example.org'],
    ['dir', 'no-answer'],
    ['dip', 'off'],
    ['rt', null],
    ['mf', ''],
    ['path', null],
    ['err.rcode', null],
  ])('$%s', (name, expected) => {
    expect(bench.read(context, name)).toBe(expected);
  });

  it('choose by name and index', () => {
    expect(bench.read(context, 'hdr', 'x-note')).toBe('one');
    expect(bench.read(context, 'hdr', 'X-Note', 1)).toBe('two');
    expect(bench.read(context, 'hdr', 'X-Note', -1)).toBe('two');
    expect(bench.read(context, 'hdr', 'X-Note', 5)).toBeNull();
    expect(bench.read(context, 'hdr', 'X-Note', '*')).toBe('one, two');
    expect(bench.read(context, 'hdr', 'i')).toBe('call-1');
    expect(bench.read(context, 'hdrcnt', 'X-Note')).toBe(2);
    expect(bench.read(context, 'hdr_name', null, 0)).toBe('Via');
    expect(bench.read(context, 'ct', null, 1)).toBe('<sip:b@10.0.0.8>');
    expect(bench.read(context, 'ct.fields', 'uri', '*')).toBe('sip:alice@10.0.0.9:5070, sip:b@10.0.0.8');
    expect(bench.read(context, 'ct.fields', 'expires')).toBe('60');
    expect(bench.read(context, 'socket_in', 'port')).toBe(5060);
    expect(bench.read(context, 'ml')).toBe(context.message.text.length);
  });

  it('count messages', () => {
    expect(bench.read(context, 'mi')).toBe(bench.read(context, 'mi'));
    expect(bench.read(requestContext(), 'mi')).not.toBe(bench.read(context, 'mi'));
  });
});

describe('variables of a reply', () => {
  it('are those of the reply, and the Request-URI that of the request', () => {
    const context = replyContext(reply(486, 'Busy Here'));
    expect(bench.read(context, 'rs')).toBe(486);
    expect(bench.read(context, 'rr')).toBe('Busy Here');
    expect(bench.read(context, 'rm')).toBe('INVITE');
    expect(bench.read(context, 'tt')).toBe('t1');
    expect(bench.read(context, 'ru')).toBe('sip:bob@example.org');
    expect(bench.read(context, 'msg.type')).toBe('reply');
  });
});

describe('writing', () => {
  it('changes parts of the Request-URI', () => {
    const context = requestContext();
    bench.write(context, 'rU', '1234');
    bench.write(context, 'rd', '10.0.0.7');
    bench.write(context, 'rp', 5080);
    expect(context.requestUri).toBe('sip:1234@10.0.0.7:5080');
    bench.write(context, 'rU', null);
    bench.write(context, 'rp', null);
    expect(context.requestUri).toBe('sip:10.0.0.7');
    bench.write(context, 'ru', 'no uri');
    expect(context.requestUri).toBe('sip:10.0.0.7');
    expect(bench.read(context, 'ou')).toBe('sip:bob@example.org');
  });

  it('changes the next hop', () => {
    const context = requestContext();
    bench.write(context, 'du', 'sip:10.0.0.7:5080;transport=udp');
    bench.write(context, 'dd', '10.0.0.8');
    bench.write(context, 'dp', 5090);
    expect(context.destinationUri).toBe('sip:10.0.0.8:5090;transport=udp');
    bench.write(context, 'du', null);
    expect(context.destinationUri).toBeNull();
    bench.write(context, 'dd', '10.0.0.8');
    expect(context.destinationUri).toBe('sip:10.0.0.8');
  });

  it('pushes on an AVP, replaces it, removes from it', () => {
    const context = requestContext();
    bench.write(context, 'avp', 'a', { inner: 'x' });
    bench.write(context, 'avp', 'b', { inner: 's:x' });
    expect(bench.read(context, 'avp', 'x')).toBe('b');
    expect(bench.read(context, 'avp', 'x', 1)).toBe('a');
    expect(bench.read(context, 'avp', 'x', '*')).toBe('b, a');
    bench.write(context, 'avp', 'c', { inner: 'x', index: 1 });
    bench.write(context, 'avp', null, { inner: 'x' });
    expect(context.attributes.get('x')).toEqual(['c']);
    bench.write(context, 'avp', 7, { inner: 'x', replace: true });
    expect(context.attributes.get('x')).toEqual([7]);
    bench.write(context, 'avp', null, { inner: 'x', replace: true });
    expect(bench.read(context, 'avp', 'x')).toBeNull();
  });

  it('adds to statistics', () => {
    const context = requestContext();
    bench.write(context, 'stat', 3, { inner: 'calls' });
    bench.write(context, 'stat', 2, { inner: 'dynamic:calls' });
    expect(bench.read(context, 'stat', 'calls')).toBe(5);
    expect(bench.read(context, 'stat', 'unknown')).toBeNull();
  });
});

describe('a URI with every part', () => {
  it.each([
    ['sip:bob:pw@[2001:db8::1]:5061;transport=tcp', 'bob', '[2001:db8::1]', 5061, 'tcp'],
    ['sips:example.org', null, 'example.org', 5061, 'tls'],
    ['sip:a;b=c@example.org?x=y', 'a;b=c', 'example.org', 5060, 'udp'],
    ['tel:+4930;phone-context=x', '+4930', null, 5060, 'udp'],
  ])('%s', (uri, user, host, port, protocol) => {
    const context = requestContext();
    context.requestUri = uri;
    expect(bench.read(context, 'rU')).toBe(user);
    if (host !== null) expect(bench.read(context, 'rd')).toBe(host);
    expect(bench.read(context, 'rp')).toBe(port);
    expect(bench.read(context, 'rP')).toBe(protocol);
  });
});

describe('a body', () => {
  const multipart = [
    '--x',
    'Content-Type: application/sdp',
    '',
    'v=0',
    '--x',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'hello',
    '--x--',
    '',
  ].join('\r\n');
  const context = requestContext(
    message(
      'MESSAGE sip:bob@example.org SIP/2.0',
      'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
      'From: <sip:alice@example.com>;tag=f1',
      'To: <sip:bob@example.org>',
      'Call-ID: call-1',
      'CSeq: 7 MESSAGE',
      'Content-Type: multipart/mixed; boundary=x',
      `Content-Length: ${multipart.length}`,
      '',
      multipart.slice(0, -2),
    ),
  );

  it('is read as a whole, by type and by index', () => {
    expect(bench.read(context, 'rb')).toBe(multipart);
    expect(bench.read(context, 'rb', 'text/plain')).toBe('hello');
    expect(bench.read(context, 'rb', null, 0)).toBe('v=0');
    expect(bench.read(context, 'rb', null, -1)).toBe('hello');
    expect(bench.read(context, 'rb', 'image/png')).toBeNull();
    expect(bench.read(context, 'cl')).toBe(multipart.length);
  });
});

describe('time', () => {
  it('is that of the clock', () => {
    const local = new ScriptBench(core);
    const context = requestContext();
    expect(local.read(context, 'Ts')).toBe(1_800_000_000);
    local.host.advance(1_234);
    expect(local.read(context, 'Ts')).toBe(1_800_000_001);
    expect(local.read(context, 'Tsm')).toBe(234_000);
    expect(local.read(context, 'TS')).toBe(1_800_000_000);
    const date = new Date(1_800_000_001_234);
    expect(local.read(context, 'time', '%Y-%m-%d %H:%M:%S')).toBe(
      `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')} ` +
        date.toTimeString().slice(0, 8),
    );
    expect(local.read(context, 'ctime', 'year')).toBe(2027);
  });
});

describe('commands', () => {
  it('show and reset statistics', () => {
    const local = new ScriptBench(core);
    local.host.statistics.counter('sl', 'sent_replies').value = 4;
    expect(local.run('get_statistics', { statistics: ['sl:', 'nonsense'] })).toEqual({
      'sl:sent_replies': 4,
    });
    expect(local.run('statistics:get', { statistics: 'timestamp' })).toEqual({ 'core:timestamp': 0 });
    expect(local.run('list_statistics', { statistics: ['timestamp', 'sent_replies'] })).toEqual({
      'core:timestamp': 'non-incremental',
      'sl:sent_replies': 'incremental',
    });
    expect(local.run('reset_statistics', { statistics: ['sent_replies'] })).toBe('OK');
    expect(local.run('reset_statistics', { statistics: ['nonsense'] })).toMatchObject({ code: '404' });
    expect(local.host.statistics.find('sl:sent_replies')).toBe(0);
  });

  it('tell the time since the start and change the log level', () => {
    const local = new ScriptBench(core);
    local.host.advance(61_000);
    expect(local.run('uptime')).toMatchObject({ 'Up time': '61 [sec]' });
    expect(local.run('log_level', { level: 4 })).toEqual({ 'Log level': 4 });
    local.call(requestContext(), 'xlog', 'L_DBG', 'now shown');
    expect(local.host.lines('debug')).toEqual(['now shown']);
    expect(local.run('log_level', { level: 9 })).toMatchObject({ code: 'CORE_LOG_LEVEL_INVALID' });
  });
});

describe('credentials of another scheme', () => {
  it('are none', () => {
    const context = requestContext(request('REGISTER', 'sip:example.org', 'Authorization: Bearer abc'));
    expect(bench.read(context, 'au')).toBeNull();
  });
});
