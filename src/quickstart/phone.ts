/**
 * A telephone of the simplest kind, for the first run: it sends each message from a fresh port, so that the kernel may
 * give it to any node, and receives on one port of its own. Requests are repeated until they are answered.
 */

import { UdpListener } from '#net/udp-listener.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { LocalSocket } from '#util/socket-address.ts';

const host = '127.0.0.1';
const repeatMilliseconds = 500;
const answerMilliseconds = 8000;

function local(port: number): LocalSocket {
  return {
    index: 0,
    protocol: 'udp',
    address: host,
    port,
    advertisedAddress: host,
    advertisedPort: port,
    anycast: false,
    tag: '',
  };
}

export class Phone {
  readonly port: number;
  readonly #listener: UdpListener;
  readonly #serverPort: number;
  #onMessage: (message: SipMessage) => void = () => {};

  private constructor(listener: UdpListener, serverPort: number) {
    this.#listener = listener;
    this.port = listener.port;
    this.#serverPort = serverPort;
  }

  static async open(serverPort: number): Promise<Phone | Failure> {
    let phone: Phone | null = null;
    const user = {
      onDatagram: (bytes: Buffer) => {
        const message = parseMessage(bytes.toString('latin1'));
        if (!isFailure(message)) phone?.receive(message);
      },
      onSendError: () => {},
    };
    const listener = await UdpListener.bind(local(0), user, false);
    if (isFailure(listener)) return listener;
    phone = new Phone(listener, serverPort);
    return phone;
  }

  set onMessage(handle: (message: SipMessage) => void) {
    this.#onMessage = handle;
  }

  receive(message: SipMessage): void {
    this.#onMessage(message);
  }

  async send(text: string): Promise<void> {
    const silent = { onDatagram: () => {}, onSendError: () => {} };
    const socket = await UdpListener.bind(local(0), silent, false);
    if (isFailure(socket)) return;
    socket.send(toBytes(text), host, this.#serverPort);
    // The datagram is in the kernel's hands by then.
    setTimeout(() => socket.close(), 50);
  }

  /** Sends a request until `isAnswer` likes a response; the other responses are passed over. */
  ask(text: string, isAnswer: (response: SipMessage) => boolean): Promise<SipMessage | Failure> {
    return new Promise((resolve) => {
      const before = this.#onMessage;
      const end = (outcome: SipMessage | Failure): void => {
        clearInterval(repeat);
        clearTimeout(alarm);
        this.#onMessage = before;
        resolve(outcome);
      };
      this.#onMessage = (message) => {
        if (message.isRequest) return;
        // RFC 3261 17.1.1.2: a provisional response ends the repetition of an INVITE.
        clearInterval(repeat);
        if (isAnswer(message)) end(message);
      };
      const repeat = setInterval(() => void this.send(text), repeatMilliseconds);
      const alarm = setTimeout(() => {
        const line = text.slice(0, text.indexOf('\r\n'));
        end(
          new Failure('QUICKSTART_NO_ANSWER', `no answer to ${line} within ${answerMilliseconds / 1000} s`),
        );
      }, answerMilliseconds);
      void this.send(text);
    });
  }

  close(): void {
    this.#listener.close();
  }
}
