/**
 * Flow charts as text: one list of lines per user agent, `> INVITE sdp` for what it sends and `< 180 INVITE` for what
 * must reach it, in this order. A chart is both the script of a user agent and what it must have seen afterwards.
 */

export interface Step {
  /** `>` sends, `<` receives, `pause` waits. */
  readonly kind: '>' | '<' | 'pause';
  /** `INVITE`, or `180 INVITE`: what stands in the record of the messages. '' of a pause. */
  readonly title: string;
  /** Of a request, and of the request that a response answers. */
  readonly method: string;
  /** 0 = a request. */
  readonly status: number;
  /** `sdp`, `auth`, `contacts=2` …; a flag has the value ''. */
  readonly options: ReadonlyMap<string, string>;
  readonly milliseconds: number;
}

export type Chart = readonly string[];

export interface Flow {
  readonly name: string;
  /** Where RFC 3665 has it; '' when it does not. */
  readonly clause: string;
  /** User part of who is called; `bob` has the port of the callee behind it, see proxy-2.cfg. */
  readonly user: 'bob' | 'fork' | 'nobody';
  readonly caller: Chart;
  /** One per contact of the user that is called. */
  readonly callees: readonly Chart[];
}

export function readChart(chart: Chart): Step[] {
  return chart.map(readStep);
}

/** `> 200 REGISTER 2` names the count of contacts too: such digits belong to the title. */
function readStep(line: string): Step {
  const [arrow = '', first = '', ...rest] = line.split(' ');
  if (arrow === 'pause') {
    return {
      kind: 'pause',
      title: '',
      method: '',
      status: 0,
      options: new Map(),
      milliseconds: Number(first),
    };
  }
  if (arrow !== '>' && arrow !== '<') throw new Error(`a line begins with >, < or pause: ${line}`);
  const status = /^\d{3}$/.test(first) ? Number(first) : 0;
  const words = status === 0 ? [first] : [first, rest.shift() ?? ''];
  if (status > 0 && /^\d+$/.test(rest[0] ?? '')) words.push(rest.shift()!);
  const options = new Map(
    rest.map((word) => {
      const [name = '', value = ''] = word.split('=');
      return [name, value] as const;
    }),
  );
  return {
    kind: arrow,
    title: words.join(' '),
    method: status === 0 ? first : words[1]!,
    status,
    options,
    milliseconds: 0,
  };
}

/** What the user agent must have seen: `> INVITE`, `< 180 INVITE` … */
export function expectedMessages(chart: Chart): string[] {
  return readChart(chart)
    .filter((step) => step.kind !== 'pause')
    .map((step) => `${step.kind} ${step.title}`);
}
