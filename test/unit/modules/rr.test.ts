import { describe, expect, it } from 'vitest';
import { rr } from '#modules/rr/declaration.ts';
import { edited, invite, request, requestContext, ScriptBench } from '../../support/module-host.ts';

const inDialog = 'To: <sip:bob@example.org>;tag=t1';
const own = '<sip:10.0.0.1:5060;lr;ftag=f1>';

describe('loose_route', () => {
  const bench = new ScriptBench(rr);

  it('is false without Route', () => {
    expect(bench.call(requestContext(), 'loose_route')).toBe(-1);
  });

  it('removes our Route line and leaves the Request-URI as the next hop', () => {
    const context = requestContext(request('BYE', 'sip:bob@10.0.0.8:5080', inDialog, `Route: ${own}`));
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(edited(context)).not.toContain('Route:');
    expect(context.destinationUri).toBeNull();
    expect(context.routeParameters).toBe(';lr;ftag=f1');
  });

  it('goes on to the next Route, on a line of its own or behind a comma', () => {
    for (const headers of [
      [`Route: ${own}`, 'Route: <sip:10.0.0.7;lr>'],
      [`Route: ${own}, <sip:10.0.0.7;lr>`],
      [`Route: ${own},<sip:10.0.0.7;lr>`],
    ]) {
      const context = requestContext(request('BYE', 'sip:bob@10.0.0.8:5080', inDialog, ...headers));
      expect(bench.call(context, 'loose_route')).toBe(1);
      expect(context.destinationUri).toBe('sip:10.0.0.7;lr');
      expect(edited(context).match(/Route: .*/g)).toEqual(['Route: <sip:10.0.0.7;lr>']);
    }
  });

  it('removes both of ours when there are two', () => {
    const two = '<sip:10.0.0.1:5060;r2=on;lr;did=7>, <sip:10.0.0.1:5060;r2=on;lr;did=7>';
    const context = requestContext(
      request('BYE', 'sip:bob@10.0.0.8', inDialog, `Route: ${two}`, 'Subject: x'),
    );
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(edited(context)).not.toContain('Route:');
    expect(edited(context)).toContain('Subject: x\r\n');
    expect(context.routeParameters).toBe(';r2=on;lr;did=7');
  });

  it('is false when the only Route was ours and there is no dialog, and removes it', () => {
    const context = requestContext(invite(`Route: ${own}`));
    expect(bench.call(context, 'loose_route')).toBe(-1);
    expect(edited(context)).not.toContain('Route:');
  });

  it("follows somebody else's preloaded Route", () => {
    const context = requestContext(invite('Route: <sip:10.0.0.7;lr>'));
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(context.destinationUri).toBe('sip:10.0.0.7;lr');
    expect(edited(context)).toContain('Route: <sip:10.0.0.7;lr>\r\n');
  });

  it('puts the Request-URI behind the Routes when the next hop is a strict router', () => {
    const context = requestContext(
      request(
        'BYE',
        'sip:bob@10.0.0.8',
        inDialog,
        `Route: ${own}`,
        'Route: <sip:10.0.0.7>, <sip:10.0.0.6;lr>',
      ),
    );
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(context.requestUri).toBe('sip:10.0.0.7');
    expect(edited(context).match(/Route: .*/g)).toEqual([
      'Route: <sip:10.0.0.6;lr>',
      'Route: <sip:bob@10.0.0.8>',
    ]);
  });

  it('takes the real target out of the last Route when a strict router came before us', () => {
    const context = requestContext(
      request(
        'BYE',
        'sip:10.0.0.1:5060;lr;ftag=f1',
        inDialog,
        'Route: <sip:10.0.0.7;lr>, <sip:bob@10.0.0.8>',
      ),
    );
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(context.requestUri).toBe('sip:bob@10.0.0.8');
    expect(context.destinationUri).toBe('sip:10.0.0.7;lr');
    expect(edited(context).match(/Route: .*/g)).toEqual(['Route: <sip:10.0.0.7;lr>']);
  });

  it('knows its first of two Record-Routes in the Request-URI, the second on top of the Routes', () => {
    const context = requestContext(
      request(
        'BYE',
        'sip:10.0.0.1:5060;lr;r2=on;ftag=f1',
        inDialog,
        'Route: <sip:10.0.0.1;lr;r2=on>, <sip:bob@10.0.0.8>',
      ),
    );
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(context.requestUri).toBe('sip:bob@10.0.0.8');
    expect(edited(context)).not.toContain('Route:');
  });

  it('leaves a Request-URI alone that names somebody here and only looks like ours', () => {
    const context = requestContext(
      request('INVITE', 'sip:bob@10.0.0.1:5060;lr', `Route: ${own}`, 'Route: <sip:10.0.0.7;lr>'),
    );
    expect(bench.call(context, 'loose_route')).toBe(1);
    expect(context.requestUri).toBe('sip:bob@10.0.0.1:5060;lr');
  });

  it('tells the hooks once', () => {
    const local = new ScriptBench(rr);
    const seen: string[] = [];
    local.host.hooks.onLooseRoute.push((_context, parameters) => seen.push(parameters));
    const context = requestContext(request('BYE', 'sip:bob@10.0.0.8', inDialog, `Route: ${own}`));
    local.call(context, 'loose_route');
    expect(local.call(context, 'loose_route')).toBe(1);
    expect(seen).toEqual([';lr;ftag=f1']);
  });
});

describe('record_route', () => {
  it('notes the From tag, and parameters from before and after', () => {
    const bench = new ScriptBench(rr);
    const context = requestContext();
    bench.call(context, 'add_rr_param', 'nat=yes');
    bench.call(context, 'record_route');
    bench.call(context, 'add_rr_param', ';x=y');
    bench.call(context, 'record_route');
    expect(context.recordRoute).toEqual({
      user: '',
      parameters: [';ftag=f1', ';nat=yes', ';x=y'],
      preset: null,
      secondPreset: null,
    });
  });

  it('leaves the tag out when told so, and takes a preset host', () => {
    const bench = new ScriptBench(rr, { append_fromtag: 0, add_username: 1 });
    const context = requestContext();
    expect(bench.call(context, 'record_route_preset', 'proxy.example.org:5060')).toBe(1);
    const preset = 'proxy.example.org:5060';
    expect(context.recordRoute).toEqual({ user: 'bob', parameters: [], preset, secondPreset: null });
  });

  it('takes two preset hosts, for a request that goes from one network to another', () => {
    const bench = new ScriptBench(rr);
    const context = requestContext();
    expect(bench.call(context, 'record_route_preset', '10.0.0.1:5060', '192.0.2.1:5060')).toBe(1);
    expect(context.recordRoute).toMatchObject({ preset: '10.0.0.1:5060', secondPreset: '192.0.2.1:5060' });
  });
});

describe('what our Route said', () => {
  it('tells the direction by the From tag and can be matched', () => {
    const bench = new ScriptBench(rr);
    const context = requestContext(
      request('BYE', 'sip:bob@10.0.0.8', inDialog, 'Route: <sip:10.0.0.1;lr;ftag=other>'),
    );
    bench.call(context, 'loose_route');
    expect(bench.call(context, 'is_direction', 'upstream')).toBe(1);
    expect(bench.call(context, 'is_direction', 'downstream')).toBe(-1);
    expect(bench.call(context, 'check_route_param', 'ftag=OTHER')).toBe(1);
    expect(bench.read(context, 'rr_params')).toBe(';lr;ftag=other');
  });
});
