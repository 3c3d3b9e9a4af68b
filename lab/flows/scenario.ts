/**
 * A chart as a scenario of sipp: a user agent that does what the chart says and takes nothing else for right. The client
 * of a dialog is the side that begins it; either side may send requests in the dialog. The transactions have branches of
 * their own, so that ACK and CANCEL carry that of their INVITE (RFC 3261 9.1, 17.1.1.3).
 */

import { type Chart, readChart, type Step } from './chart.ts';

export interface Party {
  /** Begins the dialog. */
  readonly isCaller: boolean;
  /** `user@host` of whom is called or registered. */
  readonly callee: string;
  readonly caller: string;
  /** By the value of `to=`: other addresses to begin with. */
  readonly others: Readonly<Record<string, string>>;
  /** Users and passwords by the value of `auth=`; '' for the plain option. */
  readonly passwords: Readonly<Record<string, { readonly user: string; readonly password: string }>>;
  /** Proxies between the two, which is one less than the Via headers at the callee. */
  readonly proxies: number;
}

/** A stray message within this time fails the call. */
const afterMilliseconds = 500;
/** Longer than anything in a chart takes. */
const receiveMilliseconds = 15_000;

const reasons: Readonly<Record<number, string>> = {
  180: 'Ringing',
  200: 'OK',
  480: 'Temporarily Unavailable',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  603: 'Decline',
};

export function sippScenario(chart: Chart, party: Party): string {
  const steps = readChart(chart);
  const writer = new ScenarioWriter(steps, party);
  const body = steps.map((step, index) => writer.write(step, index)).join('\n');
  return `<?xml version="1.0" encoding="ISO-8859-1" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="${party.isCaller ? 'caller' : 'callee'}">
${body}
  <timewait milliseconds="${afterMilliseconds}"/>
</scenario>
`;
}

/** A request that this side has sent, which its ACK or CANCEL goes back to. */
interface Sent {
  readonly number: number;
  readonly cseq: number;
  readonly isInDialog: boolean;
  readonly target: string;
}

class ScenarioWriter {
  readonly #steps: readonly Step[];
  readonly #party: Party;
  #transactions = 0;
  #cseq = 0;
  #invite: Sent | null = null;
  #lastStatus = 0;
  #isInDialog = false;
  #credentials = 0;

  constructor(steps: readonly Step[], party: Party) {
    this.#steps = steps;
    this.#party = party;
  }

  write(step: Step, index: number): string {
    if (step.kind === 'pause') return `  <pause milliseconds="${step.milliseconds}"/>`;
    if (step.kind === '<')
      return step.status === 0 ? this.#awaitRequest(step, index) : this.#awaitResponse(step);
    return step.status === 0 ? this.#request(step) : this.#response(step);
  }

  // ── what comes ────────────────────────────────────────────────────────────────────────────────────────────────

  #awaitRequest(step: Step, index: number): string {
    // sipp swallows what is repeated: the record of the messages shows it.
    if (step.options.has('again')) return `  <pause milliseconds="${1000}"/>`;
    const begins = !this.#isInDialog && !this.#party.isCaller;
    if (step.method !== 'INVITE' || !begins)
      return `  <recv request="${step.method}" timeout="${receiveMilliseconds}"/>`;
    const variables: [string, string][] = [];
    const later = this.#steps.slice(index + 1);
    if (later.some((other) => other.method === 'CANCEL')) {
      const vias = Array.from({ length: this.#party.proxies + 1 }, (_, place) => `via${place + 1}`);
      variables.push(['CSeq:', 'cseq'], ...vias.map((name): [string, string] => ['Via:', name]));
    }
    if (later.some((other) => other.kind === '>' && other.status === 0)) {
      variables.push(['From:', 'from'], ['To:', 'to']);
    }
    const actions = variables.map(([header, name]) => {
      const place = name.startsWith('via') ? ` occurrence="${name.slice(3)}"` : '';
      return `      <ereg regexp=".*" search_in="hdr" header="${header}"${place} assign_to="${name}"/>`;
    });
    if (actions.length === 0) return '  <recv request="INVITE" rrs="true"/>';
    return `  <recv request="INVITE" rrs="true">\n    <action>\n${actions.join('\n')}\n    </action>\n  </recv>`;
  }

  #awaitResponse({ status, method }: Step): string {
    this.#lastStatus = status;
    if (method === 'INVITE' && status >= 200 && status < 300) this.#isInDialog = true;
    const records =
      method === 'INVITE' && status >= 200 && status < 300 && this.#party.isCaller ? ' rrs="true"' : '';
    const challenge = status === 401 || status === 407 ? ' auth="true"' : '';
    return `  <recv response="${status}" timeout="${receiveMilliseconds}"${records}${challenge}/>`;
  }

  // ── what goes ─────────────────────────────────────────────────────────────────────────────────────────────────

  #request(step: Step): string {
    const { method } = step;
    const sent = this.#begin(step);
    const isAckOfSuccess = method === 'ACK' && this.#lastStatus < 300;
    const isRoute = sent.isInDialog || isAckOfSuccess;
    const isTagged = isRoute || method === 'ACK';
    const lines = [
      `${method} ${sent.target} SIP/2.0`,
      `Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK.[pid].[call_number].${sent.number};rport`,
      ...this.#parties(isTagged),
      'Call-ID: [call_id]',
      `CSeq: ${sent.cseq} ${method}`,
      'Max-Forwards: 70',
      ...(isRoute ? ['[routes]'] : []),
      ...(method === 'INVITE' ? [contactLine(step.options.has('moved'))] : []),
      ...(method === 'REGISTER' ? contactsOf(step) : []),
      ...this.#authentication(step),
    ];
    // An ACK is never repeated by itself.
    return message(lines, step.options.has('sdp'), method !== 'ACK');
  }

  #begin({ method, options }: Step): Sent {
    const { callee, others } = this.#party;
    if (method === 'CANCEL' && this.#invite !== null) return this.#invite;
    if (method === 'ACK' && this.#invite !== null) {
      if (this.#lastStatus >= 300) return this.#invite;
      this.#transactions++;
      return { ...this.#invite, number: this.#transactions, isInDialog: true, target: '[next_url]' };
    }
    this.#transactions++;
    this.#cseq++;
    const address =
      method === 'REGISTER' ? callee.slice(callee.indexOf('@') + 1) : this.#address(options, others);
    const sent = {
      number: this.#transactions,
      cseq: this.#cseq,
      isInDialog: this.#isInDialog,
      target: this.#isInDialog ? '[next_url]' : `sip:${address}`,
    };
    if (method === 'INVITE') this.#invite = sent;
    return sent;
  }

  #address(options: Step['options'], others: Party['others']): string {
    const name = options.get('to') ?? '';
    return name === '' ? this.#party.callee : (others[name] ?? this.#party.callee);
  }

  #parties(isTagged: boolean): string[] {
    const { isCaller, caller, callee } = this.#party;
    if (!isCaller) return ['From:[$to];tag=[pid]e[call_number]', 'To:[$from]'];
    return [
      `From: <sip:${caller}>;tag=[pid]c[call_number]`,
      `To: <sip:${callee}>${isTagged ? '[peer_tag_param]' : ''}`,
    ];
  }

  #authentication({ options }: Step): string[] {
    const name = options.get('auth');
    if (name === undefined) return [];
    const { user, password } = this.#party.passwords[name]!;
    // sipp keeps one challenge: the credentials for the first proxy come from outside, one line per call.
    const first = name === 'both' ? [`[field${this.#credentials++}]`] : [];
    return [...first, `[authentication username=${user} password=${password}]`];
  }

  #response({ status, method, options }: Step): string {
    if (method === 'INVITE' && status >= 200 && status < 300) this.#isInDialog = true;
    const isAfterCancel = method === 'INVITE' && status === 487;
    const { proxies, isCaller } = this.#party;
    const vias = Array.from({ length: proxies + 1 }, (_, place) => `Via:[$via${place + 1}]`);
    // The tag that the dialog's requests carry already is not added again.
    const isTagged = isCaller || ['BYE', 'ACK'].includes(method) || this.#isAnsweredAgain(method);
    const lines = [
      `SIP/2.0 ${status} ${reasons[status] ?? 'Answer'}`,
      ...(isAfterCancel ? vias : ['[last_Via:]']),
      '[last_From:]',
      `[last_To:]${isTagged ? '' : ';tag=[pid]e[call_number]'}`,
      '[last_Call-ID:]',
      isAfterCancel ? 'CSeq:[$cseq]' : '[last_CSeq:]',
      ...(method === 'INVITE' && status < 300 ? ['[last_Record-Route:]', contactLine(false)] : []),
    ];
    if (method === 'INVITE' && status >= 200) this.#answeredInvites++;
    return message(lines, options.has('sdp'), method === 'INVITE' && status >= 200);
  }

  #answeredInvites = 0;

  /** An INVITE inside the dialog. */
  #isAnsweredAgain(method: string): boolean {
    return method === 'INVITE' && this.#answeredInvites > 0;
  }
}

function contactLine(hasMoved: boolean): string {
  return `Contact: <sip:${hasMoved ? 'moved' : 'here'}@[local_ip]:[local_port]>`;
}

function contactsOf({ options }: Step): string[] {
  if (options.has('star')) return ['Contact: *', 'Expires: 0'];
  const count = Number(options.get('contacts') ?? 0);
  const ports = options.get('ports')?.split(',') ?? [];
  return Array.from(
    { length: count },
    (_, place) => `Contact: <sip:contact${place + 1}@[local_ip]:${ports[place] ?? '[local_port]'}>`,
  );
}

const description = [
  'v=0',
  'o=lab 1 1 IN IP4 [local_ip]',
  's=-',
  'c=IN IP4 [local_ip]',
  't=0 0',
  'm=audio 6000 RTP/AVP 8',
  'a=rtpmap:8 PCMA/8000',
];

function message(lines: readonly string[], hasDescription: boolean, isRepeated: boolean): string {
  const all = hasDescription
    ? [...lines, 'Content-Type: application/sdp', 'Content-Length: [len]', '', ...description]
    : [...lines, 'Content-Length: 0', '', ''];
  const text = all.map((line) => (line === '' ? '' : `      ${line}`)).join('\n');
  return `  <send${isRepeated ? ' retrans="500"' : ''}>\n    <![CDATA[\n${text}\n    ]]>\n  </send>`;
}
