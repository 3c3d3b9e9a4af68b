import { describe, expect, it } from 'vitest';
import { decodeDelta, encodeDelta } from '#dialog/delta.ts';
import { Dialog, type DialogRecord, dialogStates, noLeg, profilesOf } from '#dialog/dialog.ts';

function recordOf(changes: Partial<DialogRecord> = {}): DialogRecord {
  return {
    id: '1a.7',
    owner: 1,
    incarnation: 3,
    state: dialogStates.confirmed,
    callId: 'call',
    fromTag: 'from',
    toTag: 'to',
    fromUri: 'sip:a@x',
    toUri: 'sip:b@x',
    callerContact: '<sip:a@10.0.0.1>',
    start: 1_800_000_000,
    lifetime: 60,
    profiles: [
      { profile: 'calls', value: '', hasValue: false },
      { profile: 'gateway', value: 'g1', hasValue: true },
    ],
    version: 4,
    editor: 2,
    caller: { contact: 'sip:a@10.0.0.1', routeSet: '<sip:p;lr>', cseq: 5 },
    callee: { contact: 'sip:b@10.0.0.2', routeSet: '', cseq: 0 },
    duties: 1,
    flags: 'vip late',
    values: [
      { name: 'who', isNumber: false, text: 'Ärger' },
      { name: 'count', isNumber: true, text: '-7' },
    ],
    kept: [{ name: 'acc', text: '{}' }],
    ...changes,
  };
}

describe('a dialog', () => {
  it('is the same after the way to a peer', () => {
    const record = recordOf();
    const delta = decodeDelta(encodeDelta({ kind: 'record', body: record }));
    expect(delta).toEqual({ kind: 'record', body: record });
    const dialog = new Dialog(record);
    dialog.take(record);
    dialog.profiles = profilesOf(record);
    expect(dialog.record('vip late')).toEqual(record);
    expect(dialog.values.get('count')).toBe(-7);
  });

  it('tells its answer and that its end is dealt with', () => {
    const answer = { id: 'x', state: 3, toTag: 't', start: 9, callee: { ...noLeg, contact: 'sip:b@y' } };
    expect(decodeDelta(encodeDelta({ kind: 'state', body: answer }))?.body).toEqual(answer);
    expect(decodeDelta(encodeDelta({ kind: 'closed', body: { id: 'x' } }))).toEqual({
      kind: 'closed',
      body: { id: 'x' },
    });
    expect(decodeDelta(Uint8Array.of(99))).toBeNull();
  });

  it.each([
    ['from', 'to', true],
    ['to', 'from', true],
    ['from', 'other fork', false],
    ['other fork', 'from', false],
    ['to', 'to', false],
  ])('with tags %s and %s: %s', (fromTag, toTag, expected) => {
    expect(new Dialog(recordOf()).hasTags(fromTag, toTag)).toBe(expected);
  });

  it('takes any tag of the callee before the answer', () => {
    expect(new Dialog(recordOf({ state: dialogStates.early })).hasTags('other fork', 'from')).toBe(true);
  });

  it('of two versions is the same one on both nodes', () => {
    for (const [left, right] of [
      [recordOf({ version: 5, editor: 1 }), recordOf({ version: 4, editor: 9 })],
      [recordOf({ version: 4, editor: 3 }), recordOf({ version: 4, editor: 2 })],
    ] as const) {
      expect(new Dialog(left).isReplacedBy(right)).toBe(false);
      expect(new Dialog(right).isReplacedBy(left)).toBe(true);
    }
  });
});
