/** cfgutils, avpops, statistics, options, and the modules that only accept parameters. */

import { describe, expect, it } from 'vitest';
import { statelessService } from '#module/services.ts';
import { acceptedModules } from '#modules/accepted.ts';
import { avpops } from '#modules/avpops/declaration.ts';
import { CfgutilsModule } from '#modules/cfgutils/cfgutils-module.ts';
import { cfgutils } from '#modules/cfgutils/declaration.ts';
import { modules } from '#modules/index.ts';
import { options } from '#modules/options/declaration.ts';
import { statistics } from '#modules/statistics/declaration.ts';
import { isFailure } from '#util/failure.ts';
import { request, requestContext, ScriptBench, TestHost, TestVariable } from '../../support/module-host.ts';

describe('the list of modules', () => {
  it('names every module once, the core first', () => {
    const names = modules.flatMap((module) => [module.name, ...(module.aliases ?? [])]);
    expect(new Set(names).size).toBe(names.length);
    expect(names[0]).toBe('core');
  });

  it('gives every parameter of a module one meaning', () => {
    for (const module of modules) {
      const names = (module.parameters ?? []).flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]);
      expect(new Set(names).size, module.name).toBe(names.length);
    }
  });

  it('says why an accepted parameter has no effect', () => {
    const used = acceptedModules.flatMap((module) =>
      (module.parameters ?? []).filter((entry) => entry.ignored === undefined).map((entry) => entry.name),
    );
    expect(used).toEqual([
      'tcp_port',
      'tcp_crlf_pingpong',
      'bin_port',
      'bins_port',
      'certificate',
      'private_key',
      'ca_list',
    ]);
  });
});

describe('cfgutils', () => {
  it('shares variables between messages', () => {
    const bench = new ScriptBench(cfgutils, { shvset: ['debug=i:3', 'name=s:a b'] });
    expect(bench.read(requestContext(), 'shv', 'debug')).toBe(3);
    expect(bench.read(requestContext(), 'shv', 'name')).toBe('a b');
    bench.write(requestContext(), 'shv', 9, { inner: 'debug' });
    expect(bench.run('shv_get', { name: 'debug' })).toEqual({ name: 'debug', type: 'integer', value: 9 });
    expect(isFailure(bench.run('shv_get', { name: 'none' }))).toBe(true);
  });

  it('refuses a setting that has not its form', () => {
    const parameters = { initial_probability: 10, shvset: ['debug=3'] };
    expect(isFailure(CfgutilsModule.create(new TestHost(), parameters))).toBe(true);
  });

  it('is certain at 0 and 100 per cent', () => {
    const bench = new ScriptBench(cfgutils);
    const context = requestContext();
    expect(bench.call(context, 'rand_event', 0)).toBe(-1);
    expect(bench.call(context, 'rand_set_prob', 100)).toBe(1);
    expect(bench.call(context, 'rand_event')).toBe(1);
    expect(bench.call(context, 'rand_set_prob', 101)).toBe(-1);
    bench.call(context, 'rand_reset_prob');
    expect(bench.call(context, 'rand_get_prob')).toBe(10);
  });

  it('counts and shuffles the values of an AVP', () => {
    const bench = new ScriptBench(cfgutils);
    const context = requestContext();
    context.attributes.set('a', [1, 2, 3]);
    const count = new TestVariable();
    bench.call(context, 'set_count', '$avp(a)', count);
    expect(count.value).toBe(3);
    bench.call(context, 'shuffle_avps', '$avp(a)');
    expect(context.attributes.get('a')?.toSorted()).toEqual([1, 2, 3]);
  });
});

describe('avpops', () => {
  it('tests, copies, deletes and substitutes', () => {
    const bench = new ScriptBench(avpops);
    const context = requestContext();
    const { attributes } = context;
    expect(bench.call(context, 'is_avp_set', '$avp(a)')).toBe(-1);
    attributes.set('a', ['5', '6']);
    expect(bench.call(context, 'is_avp_set', '$avp(a)/s')).toBe(1);
    expect(bench.call(context, 'is_avp_set', '$avp(a)/n')).toBe(-1);
    bench.call(context, 'avp_copy', '$avp(a)', '$avp(b)/gn');
    expect(attributes.get('b')).toEqual([5, 6]);
    expect(bench.call(context, 'avp_subst', '$avp(a)/g', '/[56]/<\\0>/')).toBe(1);
    expect(attributes.get('a')).toEqual(['<5>', '<6>']);
    bench.call(context, 'avp_delete', '$avp(a)');
    expect(attributes.get('a')).toEqual(['<6>']);
    bench.call(context, 'avp_delete', '$avp(a)/g');
    expect(attributes.has('a')).toBe(false);
  });

  it('pushes to the destination', () => {
    const bench = new ScriptBench(avpops);
    const context = requestContext();
    context.attributes.set('a', ['sip:10.0.0.4']);
    expect(bench.call(context, 'avp_pushto', '$du', '$avp(a)')).toBe(1);
    expect(context.destinationUri).toBe('sip:10.0.0.4');
    expect(() => bench.call(context, 'avp_pushto', '$ft', '$avp(a)')).toThrow(/\$ft/);
  });
});

describe('statistics', () => {
  it('shows declared counters from the start and adds to them', () => {
    const bench = new ScriptBench(statistics, { variable: ['calls', 'web:hits/no_reset'] });
    expect(bench.host.statistics.read(['all'])).toEqual({ 'dynamic:calls': 0, 'web:hits': 0 });
    bench.call(requestContext(), 'update_stat', 'calls', 2);
    bench.call(requestContext(), 'update_stat', 'web:hits', -1);
    expect(bench.host.statistics.read(['all'])).toEqual({ 'dynamic:calls': 2, 'web:hits': -1 });
    bench.call(requestContext(), 'reset_stat', 'calls');
    expect(bench.host.statistics.find('calls')).toBe(0);
  });

  it('cannot change what is only measured', () => {
    const bench = new ScriptBench(statistics);
    bench.host.statistics.gauge('tm', 'inuse_transactions', () => 4);
    expect(bench.call(requestContext(), 'update_stat', 'tm:inuse_transactions', 1)).toBe(-1);
    expect(bench.host.statistics.find('inuse_transactions')).toBe(4);
  });
});

describe('options_reply', () => {
  const replies: string[] = [];
  const host = new TestHost();
  host.provide(statelessService, {
    reply: (context, status) => replies.push(`${status} ${context.replyHeaders}`),
    absorbsAck: () => false,
  });
  const bench = new ScriptBench(options, { support: 'replaces' }, host);

  it('answers for the proxy only', () => {
    expect(bench.call(requestContext(request('OPTIONS', 'sip:bob@10.0.0.1')), 'options_reply')).toBe(-1);
    expect(bench.call(requestContext(request('INVITE', 'sip:10.0.0.1')), 'options_reply')).toBe(-1);
    expect(replies).toEqual([]);
    expect(bench.call(requestContext(request('OPTIONS', 'sip:10.0.0.1')), 'options_reply')).toBe(1);
    expect(replies).toEqual([
      '200 Accept: */*\r\nAccept-Encoding: \r\nAccept-Language: en\r\nSupported: replaces\r\n',
    ]);
  });
});
