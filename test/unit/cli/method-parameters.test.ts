import { describe, expect, it } from 'vitest';
import { readMethodParameters } from '#cli/method-parameters.ts';

describe('readMethodParameters', () => {
  it.each([
    ['which', [], false, {}],
    ['which', [], true, { anyvia_all: true }],
    ['profile_get_size', ['caller', 'alice'], false, ['caller', 'alice']],
    ['profile_get_size', ['profile=caller', 'value=a=b'], false, { profile: 'caller', value: 'a=b' }],
    ['get_statistics', ['core:', 'tm:'], false, { statistics: ['core:', 'tm:'] }],
    ['statistics:get', ['all'], true, { statistics: ['all'], anyvia_all: true }],
    // A telephone number keeps its leading zeros, and an empty value is a value.
    [
      'ul_show_contact',
      ['table_name=location', 'aor=0049301234'],
      false,
      { table_name: 'location', aor: '0049301234' },
    ],
    ['x', ['list=["a",1]', 'broken=[a'], false, { list: ['a', 1], broken: '[a' }],
    // A URI with parameters is no name=value pair.
    ['x', ['sip:a@b;transport=udp'], false, ['sip:a@b;transport=udp']],
  ])('%s %j (all: %s)', (method, words, all, expected) => {
    expect(readMethodParameters(method, words as string[], all)).toEqual(expected);
  });

  it('refuses a mixture, and a position where all nodes are asked', () => {
    expect(readMethodParameters('x', ['a=b', 'c'], false)).toMatchObject({ code: 'CLI_PARAMETERS_MIXED' });
    expect(readMethodParameters('x', ['c'], true)).toMatchObject({ code: 'CLI_PARAMETERS_MIXED' });
  });
});
