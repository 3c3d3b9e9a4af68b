/**
 * The four state machines of RFC 3261 17 with RFC 6026 and RFC 4320, as total tables: a missing cell does not compile.
 * Leaving a state stops its timers unless the row keeps them. `docs/transactions.md` is printed from these tables.
 * Which timers a reliable transport leaves out is said in `timers.ts`.
 */

export type TimerName = 'A' | 'B' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M';

export type ClientAction = 'pass' | 'resend' | 'acknowledge' | 'forget' | 'timeout' | 'transportError';
export type ServerAction = 'send' | 'resend' | 'repeat' | 'forget' | 'passAck' | 'timeout' | 'transportError';

export interface Row<State, Action> {
  readonly to: State;
  readonly actions: readonly Action[];
  /** Timers started, before the actions: what an action sets off may end the transaction again. */
  readonly start?: readonly TimerName[];
  /** Timers that go on running although the state changes. */
  readonly keep?: readonly TimerName[];
  /** Section of RFC 3261, unless it begins with the number of another RFC. */
  readonly clause: string;
}

/** `null`: the event is absorbed, nothing happens. */
export type Machine<State extends string, Event extends string, Action> = {
  readonly [S in State]: { readonly [E in Event]: Row<State, Action> | null };
};

export type ClientState = 'calling' | 'trying' | 'proceeding' | 'completed' | 'accepted' | 'terminated';
export type ServerState = 'trying' | 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

export type InviteClientState = Exclude<ClientState, 'trying'>;
export type InviteClientEvent =
  | 'timerA'
  | 'timerB'
  | 'timerD'
  | 'timerM'
  | 'provisional'
  | 'success'
  | 'failure'
  | 'transportError';

export const inviteClient = {
  calling: {
    timerA: { to: 'calling', actions: ['resend'], start: ['A'], clause: '17.1.1.2' },
    timerB: { to: 'terminated', actions: ['timeout'], clause: '17.1.1.2' },
    timerD: null,
    timerM: null,
    provisional: { to: 'proceeding', actions: ['pass'], clause: '17.1.1.2' },
    success: { to: 'accepted', actions: ['forget', 'pass'], start: ['M'], clause: '6026 7.2' },
    failure: {
      to: 'completed',
      actions: ['acknowledge', 'forget', 'pass'],
      start: ['D'],
      clause: '17.1.1.2',
    },
    transportError: { to: 'terminated', actions: ['transportError'], clause: '17.1.4' },
  },
  proceeding: {
    timerA: null,
    timerB: null,
    timerD: null,
    timerM: null,
    provisional: { to: 'proceeding', actions: ['pass'], clause: '17.1.1.2' },
    success: { to: 'accepted', actions: ['forget', 'pass'], start: ['M'], clause: '6026 7.2' },
    failure: {
      to: 'completed',
      actions: ['acknowledge', 'forget', 'pass'],
      start: ['D'],
      clause: '17.1.1.2',
    },
    transportError: null,
  },
  completed: {
    timerA: null,
    timerB: null,
    timerD: { to: 'terminated', actions: [], clause: '17.1.1.2' },
    timerM: null,
    provisional: null,
    success: null,
    failure: { to: 'completed', actions: ['acknowledge'], clause: '17.1.1.2' },
    transportError: { to: 'terminated', actions: ['transportError'], clause: '17.1.1.2' },
  },
  accepted: {
    timerA: null,
    timerB: null,
    timerD: null,
    timerM: { to: 'terminated', actions: [], clause: '6026 7.2' },
    provisional: null,
    success: { to: 'accepted', actions: ['pass'], clause: '6026 7.2' },
    failure: null,
    transportError: null,
  },
  terminated: {
    timerA: null,
    timerB: null,
    timerD: null,
    timerM: null,
    provisional: null,
    success: null,
    failure: null,
    transportError: null,
  },
} as const satisfies Machine<InviteClientState, InviteClientEvent, ClientAction>;

export type RequestClientState = 'trying' | 'proceeding' | 'completed' | 'terminated';
export type RequestClientEvent = 'timerE' | 'timerF' | 'timerK' | 'provisional' | 'final' | 'transportError';

export const requestClient = {
  trying: {
    timerE: { to: 'trying', actions: ['resend'], start: ['E'], clause: '17.1.2.2' },
    timerF: { to: 'terminated', actions: ['timeout'], clause: '17.1.2.2' },
    timerK: null,
    provisional: { to: 'proceeding', actions: ['pass'], keep: ['E', 'F'], clause: '17.1.2.2' },
    final: { to: 'completed', actions: ['forget', 'pass'], start: ['K'], clause: '17.1.2.2' },
    transportError: { to: 'terminated', actions: ['transportError'], clause: '17.1.4' },
  },
  proceeding: {
    timerE: { to: 'proceeding', actions: ['resend'], start: ['E'], clause: '17.1.2.2' },
    timerF: { to: 'terminated', actions: ['timeout'], clause: '17.1.2.2' },
    timerK: null,
    provisional: { to: 'proceeding', actions: ['pass'], clause: '17.1.2.2' },
    final: { to: 'completed', actions: ['forget', 'pass'], start: ['K'], clause: '17.1.2.2' },
    transportError: { to: 'terminated', actions: ['transportError'], clause: '17.1.4' },
  },
  completed: {
    timerE: null,
    timerF: null,
    timerK: { to: 'terminated', actions: [], clause: '17.1.2.2' },
    provisional: null,
    final: null,
    transportError: null,
  },
  terminated: {
    timerE: null,
    timerF: null,
    timerK: null,
    provisional: null,
    final: null,
    transportError: null,
  },
} as const satisfies Machine<RequestClientState, RequestClientEvent, ClientAction>;

export type InviteServerState = Exclude<ServerState, 'trying'>;
export type InviteServerEvent =
  | 'request'
  | 'ack'
  | 'sendProvisional'
  | 'sendSuccess'
  | 'sendFailure'
  | 'timerG'
  | 'timerH'
  | 'timerI'
  | 'timerL'
  | 'transportError';

export const inviteServer = {
  proceeding: {
    request: { to: 'proceeding', actions: ['resend'], clause: '17.2.1' },
    ack: null,
    sendProvisional: { to: 'proceeding', actions: ['send'], clause: '17.2.1' },
    sendSuccess: { to: 'accepted', actions: ['send', 'forget'], start: ['L'], clause: '6026 7.1' },
    sendFailure: { to: 'completed', actions: ['send'], start: ['G', 'H'], clause: '17.2.1' },
    timerG: null,
    timerH: null,
    timerI: null,
    timerL: null,
    transportError: { to: 'proceeding', actions: ['transportError'], clause: '6026 8.8' },
  },
  accepted: {
    request: null,
    ack: { to: 'accepted', actions: ['passAck'], clause: '6026 7.1' },
    sendProvisional: null,
    sendSuccess: { to: 'accepted', actions: ['send', 'forget'], clause: '6026 7.1' },
    sendFailure: null,
    timerG: null,
    timerH: null,
    timerI: null,
    timerL: { to: 'terminated', actions: [], clause: '6026 7.1' },
    transportError: { to: 'accepted', actions: ['transportError'], clause: '6026 8.8' },
  },
  completed: {
    request: { to: 'completed', actions: ['resend'], clause: '17.2.1' },
    ack: { to: 'confirmed', actions: ['forget'], start: ['I'], clause: '17.2.1' },
    sendProvisional: null,
    sendSuccess: null,
    sendFailure: null,
    timerG: { to: 'completed', actions: ['repeat'], start: ['G'], clause: '17.2.1' },
    timerH: { to: 'terminated', actions: ['timeout'], clause: '17.2.1' },
    timerI: null,
    timerL: null,
    transportError: { to: 'completed', actions: ['transportError'], clause: '6026 8.8' },
  },
  confirmed: {
    request: null,
    ack: null,
    sendProvisional: null,
    sendSuccess: null,
    sendFailure: null,
    timerG: null,
    timerH: null,
    timerI: { to: 'terminated', actions: [], clause: '17.2.1' },
    timerL: null,
    transportError: null,
  },
  terminated: {
    request: null,
    ack: null,
    sendProvisional: null,
    sendSuccess: null,
    sendFailure: null,
    timerG: null,
    timerH: null,
    timerI: null,
    timerL: null,
    transportError: null,
  },
} as const satisfies Machine<InviteServerState, InviteServerEvent, ServerAction>;

export type RequestServerState = 'trying' | 'proceeding' | 'completed' | 'terminated';
export type RequestServerEvent =
  | 'request'
  | 'sendProvisional'
  | 'sendFinal'
  | 'sendNothing'
  | 'timerJ'
  | 'transportError';

export const requestServer = {
  trying: {
    request: null,
    sendProvisional: { to: 'proceeding', actions: ['send'], clause: '17.2.2' },
    sendFinal: { to: 'completed', actions: ['send'], start: ['J'], clause: '17.2.2' },
    sendNothing: { to: 'completed', actions: [], start: ['J'], clause: '4320 4.2' },
    timerJ: null,
    transportError: null,
  },
  proceeding: {
    request: { to: 'proceeding', actions: ['resend'], clause: '17.2.2' },
    sendProvisional: { to: 'proceeding', actions: ['send'], clause: '17.2.2' },
    sendFinal: { to: 'completed', actions: ['send'], start: ['J'], clause: '17.2.2' },
    sendNothing: { to: 'completed', actions: ['forget'], start: ['J'], clause: '4320 4.2' },
    timerJ: null,
    transportError: { to: 'proceeding', actions: ['transportError'], clause: '6026 8.8' },
  },
  completed: {
    request: { to: 'completed', actions: ['resend'], clause: '17.2.2' },
    sendProvisional: null,
    sendFinal: null,
    sendNothing: null,
    timerJ: { to: 'terminated', actions: [], clause: '17.2.2' },
    transportError: { to: 'completed', actions: ['transportError'], clause: '6026 8.8' },
  },
  terminated: {
    request: null,
    sendProvisional: null,
    sendFinal: null,
    sendNothing: null,
    timerJ: null,
    transportError: null,
  },
} as const satisfies Machine<RequestServerState, RequestServerEvent, ServerAction>;
