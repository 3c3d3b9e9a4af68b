/** A call as nodes tell each other of it, with everything in it that a codec or a database could spoil. */

import { type DialogRecord, dialogStates } from '#dialog/dialog.ts';

export function dialogRecord(changes: Partial<DialogRecord> = {}): DialogRecord {
  return {
    id: '1a.7',
    owner: 2,
    incarnation: 7,
    state: dialogStates.confirmed,
    callId: 'call',
    fromTag: 'from',
    toTag: 'to',
    fromUri: 'sip:a@example.org',
    toUri: 'sip:b@example.org',
    callerContact: '<sip:a@10.0.0.1>',
    start: 1_800_000_000,
    lifetime: 3600,
    profiles: [
      { profile: 'calls', value: '', hasValue: false },
      { profile: 'gateway', value: 'a|b#c\\d', hasValue: true },
    ],
    version: 4,
    editor: 2,
    caller: { contact: 'sip:a@10.0.0.1', routeSet: '<sip:p1;lr>, <sip:p2;lr>', cseq: 5 },
    callee: { contact: 'sip:b@10.0.0.2', routeSet: '', cseq: 0 },
    duties: 1,
    flags: 'vip late',
    values: [
      { name: 'who', isNumber: false, text: 'Ärger | # \\ "quoted" \'s' },
      { name: 'count', isNumber: true, text: '-7' },
    ],
    kept: [{ name: 'acc', text: '{"created":1}' }],
    ...changes,
  };
}
