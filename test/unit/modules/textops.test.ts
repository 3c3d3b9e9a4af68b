import { describe, expect, it } from 'vitest';
import { textops } from '#modules/textops/declaration.ts';
import { uri } from '#modules/uri/declaration.ts';
import { edited, invite, message, request, requestContext, ScriptBench } from '../../support/module-host.ts';

const bench = new ScriptBench(textops);

function withBody(body: string): ReturnType<typeof message> {
  return message(
    'MESSAGE sip:bob@example.org SIP/2.0',
    'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
    'From: <sip:alice@example.com>;tag=f1',
    'To: <sip:bob@example.org>',
    'Call-ID: call-1',
    'CSeq: 7 MESSAGE',
    'X-Note: old old',
    'Content-Type: text/plain',
    `Content-Length: ${body.length + 2}`,
    '',
    body,
  );
}

describe('searching', () => {
  it('looks at the whole message or the body alone', () => {
    const context = requestContext(withBody('hello old world'));
    expect(bench.call(context, 'search', '^x-note: OLD')).toBe(-1);
    expect(bench.call(context, 'search', 'x-note: OLD')).toBe(1);
    expect(bench.call(context, 'search_body', 'x-note')).toBe(-1);
    expect(bench.call(context, 'search_body', 'hello')).toBe(1);
  });
});

describe('replacing', () => {
  it('changes headers: the first match, or all', () => {
    const first = requestContext(withBody('old'));
    expect(bench.call(first, 'replace', 'old', 'new')).toBe(1);
    expect(edited(first)).toContain('X-Note: new old\r\n');
    const all = requestContext(withBody('old'));
    expect(bench.call(all, 'replace_all', 'old', 'new')).toBe(1);
    expect(edited(all)).toContain('X-Note: new new\r\n');
    expect(bench.call(all, 'replace', 'absent', 'x')).toBe(-1);
    bench.call(all, 'search_append', 'call-1', '-x');
    expect(edited(all)).toContain('Call-ID: call-1-x\r\n');
  });

  it('changes the body step by step, with its length', () => {
    const context = requestContext(withBody('old old'));
    expect(bench.call(context, 'replace_body', 'old', 'newer')).toBe(1);
    expect(bench.call(context, 'replace_body_all', 'e', 'EE')).toBe(1);
    expect(bench.call(context, 'search_append_body', 'wEE', '$&')).toBe(1);
    const text = edited(context);
    expect(text.endsWith('nEEwEE$&r old\r\n')).toBe(true);
    expect(text).toContain(`Content-Length: ${text.length - text.indexOf('\r\n\r\n') - 4}\r\n`);
  });

  it('substitutes with groups', () => {
    const context = requestContext(withBody('a=1'));
    expect(bench.call(context, 'subst', '/X-Note: (\\w+)/X-Noted: <\\1>/')).toBe(1);
    expect(bench.call(context, 'subst_body', '/(a)=(1)/\\2=\\1/')).toBe(1);
    expect(edited(context)).toContain('X-Noted: <old> old\r\n');
    expect(edited(context).endsWith('1=a\r\n')).toBe(true);
    expect(bench.call(context, 'subst', 'no rule')).toBe(-1);
  });

  it('substitutes in the Request-URI', () => {
    const context = requestContext(invite());
    expect(bench.call(context, 'subst_user', '/^b(.*)$/+49\\1/')).toBe(1);
    expect(context.requestUri).toBe('sip:+49ob@example.org');
    expect(bench.call(context, 'subst_uri', '/example/test/')).toBe(1);
    expect(context.requestUri).toBe('sip:+49ob@test.org');
    expect(bench.call(context, 'subst_uri', '/^sip:/nothing/')).toBe(-1);
    expect(context.requestUri).toBe('sip:+49ob@test.org');
  });
});

describe('the module uri', () => {
  const old = new ScriptBench(uri);

  it('knows dialogs, users and parameters', () => {
    const context = requestContext(
      request(
        'REGISTER',
        'sip:example.org;x=1',
        'Authorization: Digest realm="r", username="alice", nonce="n"',
      ),
    );
    expect(old.call(context, 'has_totag')).toBe(-1);
    expect(old.call(context, 'is_user', 'alice')).toBe(1);
    expect(old.call(context, 'is_user', 'bob')).toBe(-1);
    expect(old.call(context, 'uri_param', 'x', '1')).toBe(1);
    old.call(context, 'add_uri_param', 'y=2');
    old.call(context, 'del_uri_param', 'x');
    expect(context.requestUri).toBe('sip:example.org;y=2');
    expect(old.call(context, 'is_uri_user_e164', 'sip:+4930123@x')).toBe(1);
  });

  it('makes SIP of tel', () => {
    const context = requestContext(request('INVITE', 'tel:+4930'));
    expect(old.call(context, 'tel2sip')).toBe(1);
    expect(context.requestUri).toBe('sip:+4930@example.com;user=phone');
  });
});
