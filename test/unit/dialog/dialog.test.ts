import { describe, expect, it } from 'vitest';
import { decodeDelta, encodeDelta } from '#dialog/delta.ts';
import { Dialog, dialogStates, noLeg, profilesOf } from '#dialog/dialog.ts';
import { dialogRecord } from '../../support/dialog-record.ts';

describe('a dialog', () => {
  it('is the same after the way to a peer', () => {
    const record = dialogRecord();
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
    expect(new Dialog(dialogRecord()).hasTags(fromTag, toTag)).toBe(expected);
  });

  it('takes any tag of the callee before the answer', () => {
    expect(new Dialog(dialogRecord({ state: dialogStates.early })).hasTags('other fork', 'from')).toBe(true);
  });

  it('of two versions is the same one on both nodes', () => {
    for (const [left, right] of [
      [dialogRecord({ version: 5, editor: 1 }), dialogRecord({ version: 4, editor: 9 })],
      [dialogRecord({ version: 4, editor: 3 }), dialogRecord({ version: 4, editor: 2 })],
    ] as const) {
      expect(new Dialog(left).isReplacedBy(right)).toBe(false);
      expect(new Dialog(right).isReplacedBy(left)).toBe(true);
    }
  });
});
