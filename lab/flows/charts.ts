/**
 * The flows of RFC 3665 that a proxy and registrar takes part in, written anew from what its charts show, and some that
 * it has not: two contacts, a proxy that gives up, a re-INVITE that is refused. The pauses keep a message from
 * overtaking the one before on another path, which no UDP network promises. Left out: 3.1 (no proxy in it), 3.4 and 3.5
 * (a client that tries a second proxy; an application layer gateway).
 */

import type { Chart, Flow } from './chart.ts';

const first = ['> REGISTER contacts=1', '< 401 REGISTER', '> REGISTER contacts=1 auth', '< 200 REGISTER 1'];

function registration(name: string, clause: string, caller: Chart): Flow {
  return { name, clause, user: 'nobody', caller, callees: [] };
}

export const registrationFlows: readonly Flow[] = [
  registration('new registration', '2.1', first),
  registration('contact list updated', '2.2', [...first, '> REGISTER contacts=2 auth', '< 200 REGISTER 2']),
  registration('contact list fetched', '2.3', [...first, '> REGISTER auth', '< 200 REGISTER 1']),
  registration('registration cancelled', '2.4', [
    ...first,
    '> REGISTER star auth',
    '< 200 REGISTER 0',
    '> REGISTER auth',
    '< 200 REGISTER 0',
  ]),
  registration('registration refused', '2.5', [
    '> REGISTER contacts=1',
    '< 401 REGISTER',
    '> REGISTER contacts=1 auth=wrong',
    '< 401 REGISTER',
  ]),
];

const invite = ['> INVITE sdp', '< 100 INVITE'];
const answered = [...invite, '< 180 INVITE', '< 200 INVITE', '> ACK', 'pause 100'];
const answers = ['< INVITE', '> 180 INVITE', 'pause 100', '> 200 INVITE sdp', '< ACK'];
const ends = ['> BYE', '< 200 BYE'];
const isEnded = ['< BYE', '> 200 BYE'];
const challenged = ['> INVITE sdp', '< 407 INVITE', '> ACK'];
const isCancelled = ['< CANCEL', '> 200 CANCEL', '> 487 INVITE', '< ACK'];

function session(name: string, clause: string, caller: Chart, ...callees: Chart[]): Flow {
  return { name, clause, user: 'bob', caller, callees };
}

export const sessionFlows: readonly Flow[] = [
  session(
    'session through two proxies',
    '3.2',
    [...challenged, '> INVITE sdp auth', '< 100 INVITE', '< 180 INVITE', '< 200 INVITE', '> ACK', ...isEnded],
    [...answers, 'pause 100', ...ends],
  ),
  session(
    'both proxies authenticate',
    '3.3',
    [
      '> INVITE sdp to=guarded',
      '< 407 INVITE',
      '> ACK',
      '> INVITE sdp auth to=guarded',
      '< 100 INVITE',
      '< 407 INVITE',
      '> ACK',
      '> INVITE sdp auth=both to=guarded',
      '< 100 INVITE',
      '< 180 INVITE',
      '< 200 INVITE',
      '> ACK',
      ...isEnded,
    ],
    [...answers, 'pause 100', ...ends],
  ),
  session(
    'redirected, offer in the 200',
    '3.6',
    [
      '> INVITE to=moved',
      '< 302 INVITE',
      '> ACK',
      '> INVITE',
      '< 100 INVITE',
      '< 180 INVITE',
      '< 200 INVITE',
      '> ACK sdp',
      ...isEnded,
    ],
    [...answers, 'pause 100', ...ends],
  ),
  session(
    're-INVITE, the callee has moved',
    '3.7',
    [...answered.slice(0, -1), '< INVITE', '> 200 INVITE sdp', '< ACK', 'pause 100', ...ends],
    [...answers, 'pause 100', '> INVITE sdp moved', '< 100 INVITE', '< 200 INVITE', '> ACK', ...isEnded],
  ),
  session(
    're-INVITE, the caller holds',
    '',
    [...answered, '> INVITE sdp', '< 100 INVITE', '< 200 INVITE', '> ACK', 'pause 100', ...ends],
    [...answers, '< INVITE', 'pause 50', '> 200 INVITE sdp', '< ACK', ...isEnded],
  ),
  session(
    're-INVITE refused, the call goes on',
    '',
    [...answered, '> INVITE sdp', '< 100 INVITE', '< 488 INVITE', '> ACK', 'pause 100', ...ends],
    [...answers, '< INVITE', 'pause 50', '> 488 INVITE', '< ACK', ...isEnded],
  ),
  session(
    'no answer, the caller cancels',
    '3.8',
    [...invite, '< 180 INVITE', 'pause 200', '> CANCEL', '< 200 CANCEL', '< 487 INVITE', '> ACK'],
    ['< INVITE', '> 180 INVITE', ...isCancelled],
  ),
  session(
    'no answer, the second proxy gives up',
    '',
    [...invite, '< 180 INVITE', '< 408 INVITE', '> ACK'],
    ['< INVITE', '> 180 INVITE', ...isCancelled],
  ),
  session(
    'busy',
    '3.9',
    [...invite, '< 486 INVITE', '> ACK'],
    ['< INVITE', 'pause 50', '> 486 INVITE', '< ACK'],
  ),
  session(
    'no response from the callee',
    '3.10',
    [...invite, '< 480 INVITE', '> ACK'],
    ['< INVITE', '< INVITE again', '< INVITE again'],
  ),
  session(
    'temporarily unavailable',
    '3.11',
    [...invite, '< 180 INVITE', '< 480 INVITE', '> ACK'],
    ['< INVITE', '> 180 INVITE', 'pause 100', '> 480 INVITE', '< ACK'],
  ),
  {
    name: 'unknown user',
    clause: '',
    user: 'nobody',
    caller: [...invite, '< 404 INVITE', '> ACK'],
    callees: [],
  },
  {
    name: 'two contacts, one answers',
    clause: '',
    user: 'fork',
    caller: [...invite, '< 180 INVITE', '< 180 INVITE', '< 200 INVITE', '> ACK', 'pause 100', ...ends],
    callees: [
      ['< INVITE', '> 180 INVITE', 'pause 300', '> 200 INVITE sdp', '< ACK', ...isEnded],
      ['< INVITE', '> 180 INVITE', ...isCancelled],
    ],
  },
  {
    name: 'two contacts, one declines for all',
    clause: '',
    user: 'fork',
    caller: [...invite, '< 180 INVITE', '< 180 INVITE', '< 603 INVITE', '> ACK'],
    callees: [
      ['< INVITE', '> 180 INVITE', 'pause 300', '> 603 INVITE', '< ACK'],
      ['< INVITE', '> 180 INVITE', ...isCancelled],
    ],
  },
];
