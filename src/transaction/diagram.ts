/**
 * Writes docs/transactions.md from the tables in `machine.ts`: `npm run docs`, or
 * `node src/transaction/diagram.ts > docs/transactions.md`. Pure but for the last line, which prints.
 */

import { stdout } from 'node:process';
import {
  type ClientAction,
  inviteClient,
  inviteServer,
  type Machine,
  type Row,
  requestClient,
  requestServer,
  type ServerAction,
  type TimerName,
} from '#transaction/machine.ts';
import { defaultSettings, longTimeout, timerDMillisecondsMin } from '#transaction/settings.ts';

type Action = ClientAction | ServerAction;
type AnyMachine = Machine<string, string, Action>;

interface Page {
  readonly title: string;
  readonly first: string;
  readonly source: string;
  readonly machine: AnyMachine;
}

const pages: readonly Page[] = [
  {
    title: 'INVITE client transaction',
    first: 'calling',
    source: 'RFC 3261 17.1.1, RFC 6026 7.2',
    machine: inviteClient,
  },
  {
    title: 'Client transaction of any other request',
    first: 'trying',
    source: 'RFC 3261 17.1.2',
    machine: requestClient,
  },
  {
    title: 'INVITE server transaction',
    first: 'proceeding',
    source: 'RFC 3261 17.2.1, RFC 6026 7.1',
    machine: inviteServer,
  },
  {
    title: 'Server transaction of any other request',
    first: 'trying',
    source: 'RFC 3261 17.2.2, RFC 4320 4.2',
    machine: requestServer,
  },
];

const actionTexts: Readonly<Record<Action, string>> = {
  pass: 'pass the response to the user',
  resend: 'send the same message again',
  repeat: 'send the final response again',
  acknowledge: 'send ACK',
  forget: 'let the message go',
  send: 'send the response',
  passAck: 'pass the ACK to the user',
  timeout: 'tell the user of the time-out',
  transportError: 'tell the user that it cannot be sent',
};

const long = 'longTimeout';
const timerTexts: Readonly<Record<TimerName, { duration: string; meaning: string }>> = {
  A: { duration: 'T1, doubled each time', meaning: 'INVITE is sent again' },
  B: { duration: 'fr_timeout', meaning: 'no answer to an INVITE' },
  D: { duration: 'D', meaning: 'repetitions of a failure are acknowledged' },
  E: { duration: 'T1, doubled up to T2; T2 in Proceeding', meaning: 'a request is sent again' },
  F: { duration: 'fr_timeout', meaning: 'no final answer to a request' },
  G: { duration: 'T1, doubled up to T2', meaning: 'a failure is sent again until its ACK' },
  H: { duration: long, meaning: 'the ACK never came' },
  I: { duration: 'T4', meaning: 'repetitions of the ACK are absorbed' },
  J: { duration: long, meaning: 'retransmissions of a request are answered' },
  K: { duration: 'T4', meaning: 'repetitions of a final response are absorbed' },
  L: { duration: long, meaning: 'retransmissions of an accepted INVITE are absorbed, further 2xx sent' },
  M: { duration: long, meaning: 'further 2xx are passed on' },
};

const introduction = `# Transactions

Generated from \`src/transaction/machine.ts\` by \`npm run docs\`; do not edit.

The four state machines of RFC 3261 section 17 with RFC 6026 and RFC 4320. Leaving a state stops its timers, but for
those that the row keeps. Over TCP, Timers A, E and G do not run, and D, I, J and K are zero; \`wt_timer\`, when the
script sets it, takes the place of D, I, J and K over UDP. An event that is not listed for a state is absorbed there. A node may also end a
transaction at once and silently: when a peer turns out to own it, or 64 × T1 after an unanswered CANCEL.
`;

/** The whole page. */
export function describeTransactions(): string {
  return `${introduction}\n${timerTable()}\n${pages.map(describeMachine).join('\n')}`;
}

function timerTable(): string {
  const rows = Object.entries(timerTexts).map(
    ([name, { duration, meaning }]) => `| ${name} | ${durationText(duration)} | ${meaning} |`,
  );
  const { t1, t2, t4 } = defaultSettings;
  return (
    `## Timers\n\nT1 is ${t1} ms, T2 ${t2} ms, T4 ${t4} ms unless the script says otherwise. Timer C (fr_inv_timeout) belongs to the\n` +
    `proxy: it runs from the first provisional response to an INVITE on, and every one above 100 starts it anew.\n\n` +
    `| Timer | Duration | What it is for |\n| --- | --- | --- |\n${rows.join('\n')}\n`
  );
}

function durationText(duration: string): string {
  if (duration === long) return `64 × T1 (${longTimeout(defaultSettings) / 1000} s)`;
  if (duration === 'D') return `64 × T1, at least ${timerDMillisecondsMin / 1000} s`;
  return duration;
}

function describeMachine(page: Page): string {
  return `## ${page.title}\n\n${page.source}\n\n${diagram(page)}\n${table(page.machine)}`;
}

function diagram({ machine, first }: Page): string {
  const arrows = new Map<string, string[]>();
  for (const { state, event, row } of rowsOf(machine)) {
    if (row.to === state) continue;
    const arrow = `${state} --> ${row.to}`;
    arrows.set(arrow, [...(arrows.get(arrow) ?? []), event]);
  }
  const lines = [...arrows].map(([arrow, events]) => `  ${arrow}: ${events.join(', ')}`);
  return `\`\`\`mermaid\nstateDiagram-v2\n  [*] --> ${first}\n${lines.join('\n')}\n  terminated --> [*]\n\`\`\`\n`;
}

function table(machine: AnyMachine): string {
  const rows = rowsOf(machine).map(({ state, event, row }) => {
    const cells = [
      state,
      event,
      row.actions.map((action) => actionTexts[action]).join(', ') || '–',
      row.to === state ? 'same' : row.to,
      timersOf(row),
      clauseText(row.clause),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `| State | Event | Actions | Next state | Timers | Source |\n| --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function rowsOf(machine: AnyMachine): { state: string; event: string; row: Row<string, Action> }[] {
  return Object.entries(machine).flatMap(([state, events]) =>
    Object.entries(events).flatMap(([event, row]) => (row === null ? [] : [{ state, event, row }])),
  );
}

function timersOf(row: Row<string, Action>): string {
  const parts: string[] = [];
  if (row.start !== undefined) parts.push(`start ${row.start.join(', ')}`);
  if (row.keep !== undefined) parts.push(`keep ${row.keep.join(', ')}`);
  return parts.join('; ');
}

function clauseText(clause: string): string {
  const space = clause.indexOf(' ');
  return space === -1 ? `RFC 3261 ${clause}` : `RFC ${clause.slice(0, space)} ${clause.slice(space + 1)}`;
}

if (import.meta.main) stdout.write(describeTransactions());
