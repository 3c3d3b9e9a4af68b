import { describe, expect, it } from 'vitest';
import { sipmsgops } from '#modules/sipmsgops/declaration.ts';
import {
  edited,
  invite,
  message,
  reply,
  replyContext,
  request,
  requestContext,
  ScriptBench,
  TestVariable,
} from '../../support/module-host.ts';

const bench = new ScriptBench(sipmsgops);

function offer(...lines: string[]): ReturnType<typeof message> {
  const body = `${lines.join('\r\n')}\r\n`;
  return message(
    'INVITE sip:bob@example.org SIP/2.0',
    'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
    'From: <sip:alice@example.com>;tag=f1',
    'To: <sip:bob@example.org>',
    'Call-ID: call-1',
    'CSeq: 7 INVITE',
    'Content-Type: application/sdp',
    `Content-Length: ${body.length}`,
    '',
    body.slice(0, -2),
  );
}

describe('adding headers', () => {
  it('puts them at the end, at the beginning, or beside another', () => {
    const context = requestContext(invite('X-A: 1', 'X-B: 2'));
    bench.call(context, 'append_hf', 'X-End: 1\r\n');
    bench.call(context, 'append_hf', 'X-After: 1', 'x-a');
    bench.call(context, 'insert_hf', 'X-First: 1\r\n');
    bench.call(context, 'insert_hf', 'X-Before: 1\r\n', 'X-B');
    const names = edited(context)
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]);
    expect(names).toEqual([
      'X-First',
      'Via',
      'From',
      'To',
      'Call-ID',
      'CSeq',
      'X-A',
      'X-After',
      'X-Before',
      'X-B',
      'X-End',
      '',
      '',
    ]);
  });

  it('keeps those for replies apart', () => {
    const context = requestContext();
    bench.call(context, 'append_to_reply', 'Contact: <sip:x@y>\r\n');
    bench.call(context, 'append_time');
    expect(context.replyHeaders).toBe('Contact: <sip:x@y>\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n');
    bench.call(context, 'append_urihf', 'X-Was: <', '>\r\n');
    expect(edited(context)).toContain('X-Was: <sip:bob@example.org>\r\n');
  });
});

describe('removing headers', () => {
  it('takes all of a name, by pattern, or by expression', () => {
    const sip = invite('X-A: 1', 'x-a: 2', 'X-B: 3', 'Subject: s');
    const context = requestContext(sip);
    expect(bench.call(context, 'is_present_hf', 's')).toBe(1);
    expect(bench.call(context, 'remove_hf', 'X-A')).toBe(1);
    expect(bench.call(context, 'remove_hf', 'X-None')).toBe(-1);
    expect(edited(context)).not.toMatch(/x-a/i);
    const globbed = requestContext(sip);
    expect(bench.call(globbed, 'remove_hf_glob', 'X-*')).toBe(1);
    expect(edited(globbed)).not.toMatch(/^x-/im);
    expect(edited(globbed)).toContain('Subject: s');
    const old = requestContext(sip);
    expect(bench.call(old, 'remove_hf', 'X-', 'r')).toBe(1);
    expect(edited(old)).not.toMatch(/^x-/im);
    const byExpression = requestContext(sip);
    expect(bench.call(byExpression, 'remove_hf_re', '^x-b$')).toBe(1);
    expect(edited(byExpression)).toContain('X-A: 1');
  });

  it('collects names and values into AVPs', () => {
    const context = requestContext(invite('X-A: 1', 'X-B: 2'));
    expect(bench.call(context, 'get_glob_headers_values', 'X-*', '$avp(n)', '$avp(v)')).toBe(1);
    expect(context.attributes.get('n')).toEqual(['X-A', 'X-B']);
    expect(context.attributes.get('v')).toEqual(['1', '2']);
  });
});

describe('comma lists', () => {
  it('are asked, extended and shortened', () => {
    const context = requestContext(invite('Supported: 100rel, timer', 'Require: path'));
    expect(bench.call(context, 'list_hdr_has_option', 'Supported', 'TIMER')).toBe(1);
    expect(bench.call(context, 'list_hdr_has_option', 'Supported', 'path')).toBe(-1);
    expect(bench.call(context, 'list_hdr_add_option', 'Require', 'sec-agree')).toBe(1);
    expect(bench.call(context, 'list_hdr_remove_option', 'Supported', 'timer')).toBe(1);
    expect(bench.call(context, 'list_hdr_add_option', 'Unsupported', 'x')).toBe(-1);
    expect(edited(context)).toContain('Supported: 100rel\r\nRequire: path, sec-agree\r\n');
  });
});

describe('what kind of message it is', () => {
  it('is_method compares with a list, in a reply by CSeq', () => {
    expect(bench.call(requestContext(), 'is_method', 'ACK|invite')).toBe(1);
    expect(bench.call(requestContext(), 'is_method', 'BYE')).toBe(-1);
    expect(bench.call(replyContext(reply(200, 'OK')), 'is_method', 'INVITE')).toBe(1);
    expect(() => bench.call(requestContext(), 'is_method', 'A B')).toThrow('no list of methods');
  });

  it('has_totag', () => {
    expect(bench.call(requestContext(), 'has_totag')).toBe(-1);
    const bye = request('BYE', 'sip:bob@10.0.0.8', 'To: <sip:bob@example.org>;tag=t');
    expect(bench.call(requestContext(bye), 'has_totag')).toBe(1);
  });

  it('has_body', () => {
    const context = requestContext(offer('v=0'));
    expect(bench.call(context, 'has_body')).toBe(1);
    expect(bench.call(context, 'has_body', 'application/sdp')).toBe(1);
    expect(bench.call(context, 'has_body', 'text/plain')).toBe(-1);
    expect(bench.call(context, 'has_body_part', 'application/sdp')).toBe(1);
    expect(bench.call(requestContext(), 'has_body')).toBe(-1);
  });

  it('sipmsg_validate names what is wrong', () => {
    const result = new TestVariable();
    expect(bench.call(requestContext(offer('v=0')), 'sipmsg_validate', 's', result)).toBe(1);
    expect(bench.call(requestContext(), 'sipmsg_validate', 'm', result)).toBe(-3);
    expect(result.value).toBe('no valid Max-Forwards');
    expect(bench.call(requestContext(), 'sipmsg_validate', 'c')).toBe(-7);
  });

  it('is_privacy', () => {
    const context = requestContext(invite('Privacy: id;header'));
    expect(bench.call(context, 'is_privacy', 'header')).toBe(1);
    expect(bench.call(context, 'is_privacy', 'user')).toBe(-1);
  });
});

describe('the Request-URI', () => {
  it('gains and loses parameters', () => {
    const context = requestContext();
    bench.call(context, 'ruri_add_param', 'x=1');
    bench.call(context, 'ruri_add_param', ';y');
    expect(context.requestUri).toBe('sip:bob@example.org;x=1;y');
    expect(bench.call(context, 'ruri_has_param', 'x', '1')).toBe(1);
    expect(bench.call(context, 'ruri_has_param', 'x', '2')).toBe(-1);
    expect(bench.call(context, 'ruri_del_param', 'x')).toBe(1);
    expect(context.requestUri).toBe('sip:bob@example.org;y');
  });

  it('becomes SIP when it was tel', () => {
    const context = requestContext(request('INVITE', 'tel:+49-30-12;ext=7'));
    expect(bench.call(context, 'ruri_tel2sip')).toBe(1);
    expect(context.requestUri).toBe('sip:+493012;ext=7@example.com;user=phone');
    expect(bench.call(context, 'is_uri_user_e164', 'sip:+493012@x')).toBe(1);
    expect(bench.call(context, 'is_uri_user_e164', 'sip:bob@x')).toBe(-1);
  });
});

describe('codecs', () => {
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 10.0.0.9',
    's=-',
    'c=IN IP4 10.0.0.9',
    't=0 0',
    'm=audio 4000 RTP/AVP 0 8 96',
    'a=rtpmap:96 opus/48000/2',
    'a=fmtp:96 useinbandfec=1',
    'a=sendonly',
    'm=video 4002 RTP/AVP 31',
  ];

  it('are found by name and clock', () => {
    const context = requestContext(offer(...lines));
    expect(bench.call(context, 'codec_exists', 'PCMA')).toBe(1);
    expect(bench.call(context, 'codec_exists', 'opus', '48000')).toBe(1);
    expect(bench.call(context, 'codec_exists', 'opus', '8000')).toBe(-1);
    expect(bench.call(context, 'codec_exists_re', '^pcm')).toBe(1);
    expect(bench.call(requestContext(), 'codec_exists', 'PCMA')).toBe(-1);
  });

  it('are removed and reordered, one change after the other, and Content-Length follows', () => {
    const context = requestContext(offer(...lines));
    expect(bench.call(context, 'codec_delete', 'opus')).toBe(1);
    expect(bench.call(context, 'codec_move_up', 'PCMA')).toBe(1);
    const text = edited(context);
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    expect(body).toContain('m=audio 4000 RTP/AVP 8 0\r\n');
    expect(body).not.toContain(':96 ');
    expect(text).toContain(`Content-Length: ${body.length}\r\n`);
    expect(text.match(/Content-Length/g)).toHaveLength(1);
  });

  it('are all removed but some', () => {
    const context = requestContext(offer(...lines));
    expect(bench.call(context, 'codec_delete_except_re', 'PCM[UA]|H261')).toBe(1);
    expect(edited(context)).toContain('m=audio 4000 RTP/AVP 0 8\r\n');
  });

  it('go with their stream', () => {
    const context = requestContext(offer(...lines));
    expect(bench.call(context, 'stream_exists', 'video')).toBe(1);
    expect(bench.call(context, 'stream_delete', 'video')).toBe(1);
    expect(edited(context)).not.toContain('m=video');
    expect(bench.call(context, 'is_audio_on_hold')).toBe(2);
    expect(
      bench.call(requestContext(offer('v=0', 'c=IN IP4 0.0.0.0', 'm=audio 1 RTP/AVP 0')), 'is_audio_on_hold'),
    ).toBe(1);
  });
});

describe('replies', () => {
  it('change their status within their class', () => {
    const context = replyContext(reply(486, 'Busy Here'));
    expect(bench.call(context, 'change_reply_status', 480, 'Away')).toBe(1);
    expect([context.changedStatus, context.changedReason]).toEqual([480, 'Away']);
    expect(bench.call(context, 'change_reply_status', 200, 'OK')).toBe(-1);
  });

  it('can be had as JSON', () => {
    const result = new TestVariable();
    bench.call(replyContext(reply(200, 'OK')), 'sip_to_json', result);
    expect(JSON.parse(String(result.value))).toMatchObject({
      first_line: 'SIP/2.0 200 OK',
      headers: { Via: [expect.stringContaining('ours'), expect.stringContaining('z9hG4bKa')] },
      body: '',
    });
  });
});
