import { describe, expect, it } from 'vitest';
import { maxfwd } from '#modules/maxfwd/declaration.ts';
import { edited, invite, requestContext, ScriptBench } from '../../support/module-host.ts';

describe('mf_process_maxfwd_header', () => {
  const bench = new ScriptBench(maxfwd);

  it('counts the hop', () => {
    const context = requestContext(invite('Max-Forwards: 70'));
    expect(bench.call(context, 'mf_process_maxfwd_header', 10)).toBe(1);
    expect(edited(context)).toContain('\r\nMax-Forwards: 69\r\n');
  });

  it('counts it once, however often it is called', () => {
    const context = requestContext(invite('Max-Forwards: 70'));
    bench.call(context, 'mf_process_maxfwd_header', 10);
    bench.call(context, 'mf_process_maxfwd_header', 10);
    expect(edited(context)).toContain('\r\nMax-Forwards: 69\r\n');
  });

  it('adds the header, where there is none, behind Via', () => {
    const context = requestContext(invite());
    expect(bench.call(context, 'mf_process_maxfwd_header', 10)).toBe(2);
    expect(edited(context)).toContain('branch=z9hG4bKa\r\nMax-Forwards: 10\r\nFrom:');
  });

  it('refuses what has no hop left, and what is no number', () => {
    expect(bench.call(requestContext(invite('Max-Forwards: 0')), 'mf_process_maxfwd_header', 10)).toBe(-1);
    expect(bench.call(requestContext(invite('Max-Forwards: many')), 'mf_process_maxfwd_header', 10)).toBe(-2);
  });

  it('lowers what is above max_limit', () => {
    const limited = new ScriptBench(maxfwd, { max_limit: 20 });
    const context = requestContext(invite('Max-Forwards: 70'));
    limited.call(context, 'mf_process_maxfwd_header', 10);
    expect(edited(context)).toContain('Max-Forwards: 20\r\n');
  });
});

describe('is_maxfwd_lt', () => {
  const bench = new ScriptBench(maxfwd);

  it('compares', () => {
    const context = requestContext(invite('Max-Forwards: 5'));
    expect(bench.call(context, 'is_maxfwd_lt', 6)).toBe(1);
    expect(bench.call(context, 'is_maxfwd_lt', 5)).toBe(-1);
    expect(bench.call(requestContext(), 'is_maxfwd_lt', 5)).toBe(-2);
  });
});
