/**
 * The program under test on a node. anyvia runs from the checkout with a script of the experiment in which only what
 * differs from node to node is changed; Kamailio, forwarding statelessly, shows that the lab itself is sound.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anycastAddress, calleeAddress, type LabNetwork, nodeAddress } from './network.ts';
import { execute, type LabProcess, type Outcome } from './process.ts';

const root = join(import.meta.dirname, '..');
/** Also for the start of a database on a busy machine. */
const readyMillisecondsMax = 20_000;
/** Where anyvia keeps its control socket unless the script says otherwise. */
const controlFolder = '/run/anyvia';

export const anyviaCommand: readonly string[] = [process.execPath, join(root, 'src/main.ts')];

export const programNames = ['anyvia', 'kamailio', 'kamailio-stateful'] as const;
export type ProgramName = (typeof programNames)[number];

export interface ProgramOptions {
  readonly program: ProgramName;
  /** Script of node 1: a name in config/, or a path. */
  readonly seed: string;
  /** False: the address is an ordinary one, for a single node. */
  readonly anycast: boolean;
  /** Another checkout of anyvia to run, a path; absent: this one. */
  readonly checkout?: string;
}

export class LabNode {
  readonly number: number;
  readonly #network: LabNetwork;
  readonly #options: ProgramOptions;
  #process: LabProcess | null = null;
  #starts = 0;

  constructor(network: LabNetwork, number: number, options: ProgramOptions) {
    this.number = number;
    this.#network = network;
    this.#options = options;
  }

  get process(): LabProcess {
    if (this.#process === null) throw new Error(`node ${this.number} was never started`);
    return this.#process;
  }

  get logFile(): string {
    return this.process.logFile;
  }

  /** Path of the control socket, as it is seen from outside the node. */
  get controlSocket(): string {
    return join(this.#folder, 'anyvia.sock');
  }

  get #folder(): string {
    return this.#network.makeFolder(`node${this.number}-run`);
  }

  /** Starts the program, and returns when it answers. */
  async start(): Promise<void> {
    this.launch();
    await this.#untilReady();
  }

  /** Starts the program with any script, and does not wait. */
  launch(script = this.script()): void {
    const { program } = this.#options;
    const file = this.#network.file(`node${this.number}.cfg`);
    writeFileSync(file, script);
    this.#starts += 1;
    const name = `node${this.number}-${program}-${this.#starts}`;
    const command = program === 'anyvia' ? this.#anyvia(file) : kamailioCommand(this.#folder, file);
    this.#process = this.#network.start(`node${this.number}`, name, command);
  }

  script(): string {
    const { program, seed, anycast } = this.#options;
    if (program !== 'anyvia') return kamailioScript(program === 'kamailio', nodeAddress(this.number));
    const text = nodeScript(readFileSync(scriptPath(seed), 'utf8'), this.number);
    return anycast ? text : text.replace(/^((?:socket|listen)=udp:\S+) anycast$/m, '$1');
  }

  get #command(): readonly string[] {
    const { checkout } = this.#options;
    return checkout === undefined ? anyviaCommand : [process.execPath, join(checkout, 'src/main.ts')];
  }

  /** Every node gets its own control folder at the one path that the script means: they are machines of their own. */
  #anyvia(file: string): string[] {
    mkdirSync(controlFolder, { recursive: true });
    const mount = `mount --bind ${this.#folder} ${controlFolder} && exec "$@"`;
    return ['sh', '-c', mount, 'sh', ...this.#command, 'start', '-f', file];
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + readyMillisecondsMax;
    while (!(await this.#answers())) {
      if (!this.process.running || performance.now() > deadline) {
        throw new Error(
          `node ${this.number} does not run:\n${readFileSync(this.logFile, 'utf8').slice(-3000)}`,
        );
      }
      await sleep(100);
    }
  }

  async #answers(): Promise<boolean> {
    if (this.#options.program === 'anyvia') return acceptsConnection(this.controlSocket);
    const listening = await this.#network.run(`node${this.number}`, ['ss', '-Hlun', 'src', anycastAddress]);
    return listening !== '';
  }

  logLength(): number {
    return readFileSync(this.logFile, 'utf8').length;
  }

  /** Milliseconds until the log says so behind `mark` (a length); NaN when it does not in this time. */
  async untilLogged(pattern: RegExp, mark: number, millisecondsMax: number): Promise<number> {
    const begin = performance.now();
    while (performance.now() - begin < millisecondsMax) {
      if (pattern.test(readFileSync(this.logFile, 'utf8').slice(mark))) return performance.now() - begin;
      await sleep(10);
    }
    return Number.NaN;
  }

  /** One look through the control socket, as an operator takes it. */
  look(parameters: readonly string[]): Promise<Outcome> {
    const [node, main] = anyviaCommand;
    return execute(node!, [main!, ...parameters, '-s', this.controlSocket]);
  }

  /** All statistics, `group:name` → number; null when the program has none to ask for. */
  async statistics(): Promise<Record<string, number> | null> {
    if (this.#options.program !== 'anyvia') return null;
    const outcome = await this.look(['stats', '--json']);
    if (outcome.code !== 0) throw new Error(`stats of node ${this.number}: ${outcome.stderr}`);
    return JSON.parse(outcome.stdout) as Record<string, number>;
  }

  /** Every process of the program. */
  async pids(): Promise<number[]> {
    if (this.#options.program === 'anyvia') return [this.process.pid];
    const outcome = await execute('ps', ['-o', 'pid=', '--ppid', String(this.process.pid)]);
    return [this.process.pid, ...outcome.stdout.split('\n').map(Number).filter(Boolean)];
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM', 4000);
  }
}

function acceptsConnection(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function scriptPath(seed: string): string {
  return seed.includes('/') ? seed : join(root, 'config', `${seed}.cfg`);
}

/** The script of node 1 with the listener, id, header, sharing tag and text of another node. */
export function nodeScript(text: string, node: number): string {
  return text
    .replaceAll('10.10.0.1:', `${nodeAddress(node)}:`)
    .replace(/("(?:current_id|my_node_id)", )1\b/, `$1${node}`)
    .replace(/\b([Oo]pensips0)1\b/g, `$1${node}`)
    .replaceAll('"node1/1=active"', `"node${node}/1=active"`)
    .replaceAll('("node1")', `("node${node}")`);
}

function kamailioCommand(folder: string, file: string): string[] {
  // -x fm: its default allocator is one for debugging and costs twice as much.
  return ['kamailio', '-DD', '-E', '-x', 'fm', '-m', '256', '-M', '16', '-Y', folder, '-f', file];
}

/** `stateless`: no transactions, so that any packet may reach any node. Else what the scripts of the experiment do. */
export function kamailioScript(stateless: boolean, binAddress: string): string {
  const modules = ['tm', 'sl', 'rr', 'maxfwd', 'pv', 'textops', 'siputils', ...(stateless ? [] : ['dialog'])];
  const relay = stateless ? 'forward()' : 't_relay()';
  return `#!KAMAILIO
# ${binAddress}
debug=0
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
server_header="Server: Kamailio"
listen=udp:${anycastAddress}:5060
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
${modules.map((name) => `loadmodule "${name}.so"`).join('\n')}
${stateless ? '' : 'modparam("tm", "fr_timer", 5000)\nmodparam("tm", "fr_inv_timer", 30000)\nmodparam("dialog", "default_timeout", 3600)\nmodparam("dialog", "profiles_with_value", "caller")\n'}
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (!loose_route()) {
      ${stateless ? `$du = "sip:${calleeAddress}:5060"; forward(); exit;` : 'if (is_method("ACK|CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }'}
      sl_send_reply("404", "Not here"); exit;
    }
    ${relay}; exit;
  }
  if (is_method("CANCEL")) { ${stateless ? `$du = "sip:${calleeAddress}:5060"; forward()` : 'if (t_check_trans()) t_relay()'}; exit; }
  ${stateless ? '' : 't_check_trans();'}
  if (is_method("INVITE")) { record_route(); ${stateless ? '' : 'dlg_manage(); set_dlg_profile("caller", "$fU");'} }
  if (is_method("REGISTER")) { sl_send_reply("200", "OK"); exit; }
  $du = "sip:${calleeAddress}:5060";
  ${relay};
}
`;
}
