/**
 * Has a baresip place calls, one after the other, over its control connection (netstrings of JSON): each is held,
 * resumed and hung up. Prints one line per call, `ok` or what was missing. Runs where the baresip is.
 *
 *     node driver.ts PORT TARGET CALLS
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const eventMilliseconds = 8000;
/** Between two acts of a person in a hurry; also lets the media begin. */
const pauseMilliseconds = 300;

interface Said {
  readonly event?: boolean;
  readonly type?: string;
  readonly response?: boolean;
  readonly ok?: boolean;
  readonly data?: string;
}

class Control {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #waiting: { readonly fits: (said: Said) => boolean; readonly resolve: (said: Said | null) => void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#read(bytes));
  }

  static open(port: number): Promise<Control> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Control(socket)));
      socket.once('error', reject);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Null when nothing of that kind is said in time. */
  wait(fits: (said: Said) => boolean): Promise<Said | null> {
    return new Promise((resolve) => {
      const entry = { fits, resolve };
      this.#waiting.push(entry);
      setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== entry);
        resolve(null);
      }, eventMilliseconds);
    });
  }

  event(type: string): Promise<Said | null> {
    return this.wait((said) => said.event === true && said.type === type);
  }

  /** False when it was refused or not answered. */
  async command(command: string, params = ''): Promise<boolean> {
    const answer = this.wait((said) => said.response === true);
    const text = JSON.stringify({ command, params, token: command });
    this.#socket.write(`${Buffer.byteLength(text)}:${text},`);
    return (await answer)?.ok === true;
  }

  #read(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const colon = this.#bytes.indexOf(':');
      if (colon === -1) return;
      const end = colon + 1 + Number(this.#bytes.toString('latin1', 0, colon));
      if (this.#bytes.length < end + 1) return;
      const said = JSON.parse(this.#bytes.toString('utf8', colon + 1, end)) as Said;
      this.#bytes = this.#bytes.subarray(end + 1);
      const entry = this.#waiting.find((one) => one.fits(said));
      if (entry === undefined) continue;
      this.#waiting = this.#waiting.filter((one) => one !== entry);
      entry.resolve(said);
    }
  }
}

/** '' when all went well. */
async function call(control: Control, target: string): Promise<string> {
  const established = control.event('CALL_ESTABLISHED');
  if (!(await control.command('dial', target))) return 'dial was refused';
  if ((await established) === null) return 'the call was not established';
  for (const command of ['hold', 'resume']) {
    await sleep(pauseMilliseconds);
    if (!(await control.command(command))) return `${command} was refused`;
  }
  await sleep(pauseMilliseconds);
  const closed = control.event('CALL_CLOSED');
  if (!(await control.command('hangup'))) return 'hangup was refused';
  if ((await closed) === null) return 'the call was not closed';
  await sleep(pauseMilliseconds);
  return '';
}

const [port = '', target = '', calls = ''] = process.argv.slice(2);
const control = await Control.open(Number(port));
for (let number = 0; number < Number(calls); number++) {
  const problem = await call(control, target);
  process.stdout.write(`${problem === '' ? 'ok' : problem}\n`);
  if (problem !== '') await control.command('hangup');
}
control.close();
process.exit(0);
