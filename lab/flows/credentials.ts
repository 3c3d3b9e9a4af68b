/**
 * Credentials for one INVITE each, printed line by line: sipp keeps a single challenge, and a caller between two proxies
 * that both ask answers two at once (RFC 3261 22.3). Runs where the caller is.
 *
 *     node credentials.ts ADDRESS PORT COUNT URI USER PASSWORD
 */

import { createSocket } from 'node:dgram';
import { answerChallenge, challengesOf } from '../../test/support/digest-client.ts';

const [address = '', port = '', count = '', uri = '', username = '', password = ''] = process.argv.slice(2);
const answerMilliseconds = 2000;

/** The answer to an INVITE that is not followed by any: a 407, which nobody repeats. */
function ask(number: number): Promise<string> {
  const socket = createSocket('udp4');
  const lines = [
    `INVITE ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 0.0.0.0:9;branch=z9hG4bK.challenge.${process.pid}.${number};rport`,
    `From: <sip:${username}@atlanta.example.com>;tag=challenge`,
    `To: <${uri}>`,
    `Call-ID: challenge-${process.pid}-${number}`,
    'CSeq: 1 INVITE',
    'Max-Forwards: 70',
    'Content-Length: 0',
  ];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no challenge came')), answerMilliseconds);
    socket.once('message', (bytes) => {
      clearTimeout(timer);
      socket.close();
      resolve(bytes.toString('latin1'));
    });
    socket.send(`${lines.join('\r\n')}\r\n\r\n`, Number(port), address);
  });
}

process.stdout.write('SEQUENTIAL\n');
for (let number = 0; number < Number(count); number++) {
  const [challenge] = challengesOf(await ask(number));
  if (challenge === undefined) throw new Error('the answer holds no challenge');
  const value = answerChallenge(challenge, { username, password }, { method: 'INVITE', uri });
  process.stdout.write(`Proxy-Authorization: ${value}\n`);
}
