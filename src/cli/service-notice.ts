/**
 * Tells systemd how far the daemon is (`Type=notify`). The protocol is one datagram to the UNIX socket that
 * NOTIFY_SOCKET names, and Node has no UNIX datagram sockets; systemd's own `systemd-notify` sends it, so the unit says
 * `NotifyAccess=all`. Without NOTIFY_SOCKET nothing happens.
 */

import { spawn } from 'node:child_process';

export type ServiceState = 'READY=1' | 'STOPPING=1' | 'RELOADING=1';

/** Sends without waiting. `onProblem` gets one sentence when it could not be sent. */
export function notifyService(
  state: ServiceState,
  status: string,
  onProblem: (problem: string) => void,
): void {
  if (process.env.NOTIFY_SOCKET === undefined) return;
  const child = spawn('systemd-notify', [state, `STATUS=${status}`], { stdio: 'ignore' });
  child.once('error', (error) => onProblem(`systemd-notify: ${error.message}`));
  child.once('exit', (code) => {
    if (code !== 0) onProblem(`systemd-notify ended with ${code}: systemd was not told ${state}`);
  });
  child.unref();
}
