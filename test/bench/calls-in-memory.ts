/**
 * Calls through a whole node without sockets or kernel: what is left is the JavaScript of a call, and its garbage.
 * Each call is INVITE 100 180 200 ACK BYE 200 with Record-Route and a dialog, as sipp plays it in the lab; the clock
 * moves on between calls, so timers fire and as many transactions linger as at that rate on a real machine.
 */

import { assert } from '#util/assert.ts';
import { NodeHarness } from '../support/node-harness.ts';

const caller = '10.0.0.9:5070';
const callee = '10.0.0.8:5080';

const script = `
loadmodule "proto_udp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "dialog.so"
server_header="Server: Opensips01"
socket=udp:10.0.0.1:5060
modparam("tm", "fr_timeout", 5)
modparam("tm", "fr_inv_timeout", 30)
modparam("dialog", "profiles_with_value", "caller")
modparam("dialog", "default_timeout", 3600)

route {
  if (!mf_process_maxfwd_header(10)) { send_reply(483,"Too Many Hops"); exit; }
  if (has_totag()) {
    if (!loose_route()) { send_reply(404, "Not here"); exit; }
    t_relay();
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  t_check_trans();
  if (is_method("REGISTER")) { if (!save("location")) sl_reply_error(); exit; }
  if (is_method("INVITE")) {
    record_route();
    create_dialog();
    set_dlg_profile("caller", "$fU");
  }
  if ($rU =~ "^uas") { $du = "sip:${callee}"; t_relay(); exit; }
  if (!lookup("location")) { t_reply(404, "Not Found"); exit; }
  t_relay();
}
`;

const description = [
  'v=0',
  'o=lab 1 1 IN IP4 10.0.0.9',
  's=-',
  'c=IN IP4 10.0.0.9',
  't=0 0',
  'm=audio 6000 RTP/AVP 8',
  'a=rtpmap:8 PCMA/8000',
  '',
].join('\r\n');

export function makeNode(): NodeHarness {
  return new NodeHarness(script);
}

/** One whole call; throws when a message of it does not come out as it should. */
export function placeCall(node: NodeHarness, number: number): void {
  const [trying, invite] = node.receive(request('INVITE', number, '', ''), caller);
  assert(trying!.text.startsWith('SIP/2.0 100 ') && invite!.to === callee, 'the INVITE is not relayed');
  const [ringing] = node.receive(response('180 Ringing', invite!.text), callee);
  assert(ringing!.to === caller, 'the 180 is not relayed');
  const [answer] = node.receive(response('200 OK', invite!.text), callee);
  const toTag = `;tag=${number}`;
  const route = lines(answer!.text, 'Record-Route').replaceAll('Record-Route', 'Route');
  const [ack] = node.receive(request('ACK', number, toTag, route), caller);
  assert(ack!.to === callee, 'the ACK is not relayed');
  const [bye] = node.receive(request('BYE', number, toTag, route), caller);
  const [over] = node.receive(response('200 OK', bye!.text), callee);
  assert(over!.to === caller, 'the end of the call is not relayed');
}

function request(method: string, number: number, toTag: string, route: string): string {
  const target = toTag === '' ? 'sip:uas@10.0.0.1:5060' : `sip:${callee};transport=UDP`;
  const body = method === 'INVITE' ? description : '';
  return (
    `${method} ${target} SIP/2.0\r\n` +
    `Via: SIP/2.0/UDP ${caller};branch=z9hG4bK.${method}42.${number};rport\r\n` +
    `From: <sip:caller@${caller}>;tag=42c${number}\r\nTo: <sip:uas@10.0.0.1:5060>${toTag}\r\n` +
    `Call-ID: ${number}-42@10.0.0.9\r\nCSeq: ${method === 'BYE' ? 2 : 1} ${method}\r\n` +
    `Contact: <sip:caller@${caller}>\r\nMax-Forwards: 70\r\n${route}` +
    (body === '' ? '' : 'Subject: lab\r\nContent-Type: application/sdp\r\n') +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** As the callee writes it: what must be copied is copied, and the To gets a tag of the call's number. */
function response(status: string, sent: string): string {
  const copied = ['Via', 'Record-Route', 'From'].map((name) => lines(sent, name)).join('');
  const to = lines(sent, 'To').trimEnd();
  const callId = lines(sent, 'Call-ID');
  const tag = to.includes(';tag=') ? '' : `;tag=${callId.slice('Call-ID: '.length, callId.indexOf('-42@'))}`;
  const body = status === '200 OK' && sent.startsWith('INVITE') ? description : '';
  return (
    `SIP/2.0 ${status}\r\n${copied}${to}${tag}\r\n${callId}${lines(sent, 'CSeq')}` +
    `Contact: <sip:${callee};transport=UDP>\r\n` +
    (body === '' ? '' : 'Content-Type: application/sdp\r\n') +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** All lines of that header, each with its CRLF. */
function lines(text: string, name: string): string {
  let found = '';
  const lead = `\r\n${name}: `;
  for (let at = text.indexOf(lead); at !== -1; at = text.indexOf(lead, at + 2)) {
    found += text.slice(at + 2, text.indexOf('\r\n', at + 2) + 2);
  }
  return found;
}
