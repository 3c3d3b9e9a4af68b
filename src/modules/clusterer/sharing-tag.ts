/** Sharing tags as scripts and operators write them: `name/cluster`, where the cluster may be left out. */

import { MessageContext } from '#module/context.ts';
import type { VariableDeclaration } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { ClusterView } from '#module/services.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { Failure, isFailure } from '#util/failure.ts';

/** OpenSIPS's column. */
const nameCharactersMax = 32;
const changedEvent = 'E_CLUSTERER_SHARING_TAG_CHANGED';
/** How long `shtag_set_active` waits for the others, and how often it looks. */
const activationMilliseconds = 4000;
const lookMilliseconds = 50;

/** `name` or `name/cluster`. Failures: MODULE_SHARING_TAG_INVALID, MODULE_SHARING_TAG_FOREIGN. */
function readTag(view: ClusterView, text: string): string | Failure {
  const parts = /^([^/=\s]+)(?:\/(\d+))?$/.exec(text.trim());
  const name = parts?.[1] ?? '';
  if (name === '' || name.length > nameCharactersMax) {
    return new Failure(
      'MODULE_SHARING_TAG_INVALID',
      `"${text}" is no sharing tag: expected NAME/CLUSTER, the name of at most ${nameCharactersMax} characters`,
    );
  }
  const cluster = Number(parts?.[2] ?? view.clusterId);
  if (cluster === view.clusterId) return name;
  return new Failure(
    'MODULE_SHARING_TAG_FOREIGN',
    `sharing tag "${text}" is of cluster ${cluster}, this node of cluster ${view.clusterId}`,
  );
}

/** The parameters `name/cluster=active` and `…=backup`; those of other clusters are left out. */
export function declareTags(host: ModuleHost, view: ClusterView, texts: readonly string[]): Failure | null {
  for (const text of texts) {
    const parts = /^(.*?)\s*=\s*(active|backup)$/.exec(text.trim());
    if (parts === null) {
      const wanted = '"NAME/CLUSTER=active" or "NAME/CLUSTER=backup"';
      return new Failure('MODULE_SHARING_TAG_INVALID', `sharing_tag "${text}": expected ${wanted}`);
    }
    const name = readTag(view, parts[1]!);
    if (isFailure(name)) {
      if (name.code !== 'MODULE_SHARING_TAG_FOREIGN') return name;
      host.log.warn(`${name.message}: it is never active here`, { code: name.code });
      continue;
    }
    view.tags.declare(name, parts[2] === 'active');
  }
  return null;
}

export function listTags(view: ClusterView): unknown {
  return view.tags.list().map(({ tag, isActive }) => ({
    Tag: tag,
    Cluster: view.clusterId,
    State: isActive ? 'active' : 'backup',
  }));
}

/** Failures: MODULE_SHARING_TAG_INVALID, MODULE_SHARING_TAG_FOREIGN, MODULE_SHARING_TAG_REFUSED. */
export async function setTagActive(view: ClusterView, text: string): Promise<'OK' | Failure> {
  const name = readTag(view, text);
  if (isFailure(name)) return name;
  view.tags.activate(name);
  for (let waited = 0; waited < activationMilliseconds; waited += lookMilliseconds) {
    if (view.tags.isActive(name)) return 'OK';
    await new Promise((resolve) => setTimeout(resolve, lookMilliseconds));
  }
  const holder = view.tags.list().find(({ tag }) => tag === name)?.holder ?? 0;
  const cause =
    holder === 0 ? 'no majority of the cluster agreed to it in time' : `node ${holder} still has it`;
  return new Failure('MODULE_SHARING_TAG_REFUSED', `sharing tag ${text} is not active here: ${cause}`);
}

export const sharingTagVariable: VariableDeclaration<ClusterView> = {
  names: ['cluster.sh_tag'],
  inner: 'required',
  help: '"active" or "backup": whether this node has the sharing tag NAME/CLUSTER; writing "active" or 1 takes it.',
  read: (view, _context, inner) => {
    const name = readTag(view, inner ?? '');
    if (isFailure(name)) return null;
    return view.tags.isActive(name) ? 'active' : 'backup';
  },
  write: (view, _context, value, inner) => {
    const name = readTag(view, inner ?? '');
    if (!isFailure(name) && (value === 'active' || value === 1 || value === '1')) view.tags.activate(name);
  },
};

/** `event_route[E_CLUSTERER_SHARING_TAG_CHANGED]` with OpenSIPS's parameters. */
export function raiseTagEvents(host: ModuleHost, view: ClusterView): void {
  view.tags.onChange((tag, isActive, reason) => {
    if (!host.hasRoute('event', changedEvent)) return;
    const socket = host.sockets[0]!;
    const source = { socket, address: socket.address, port: socket.port };
    const context = new MessageContext(nobody, source, 'event');
    context.eventParameters = new Map<string, string | number>([
      ['name', tag],
      ['cluster', view.clusterId],
      ['state', isActive ? 'active' : 'backup'],
      ['reason', reason],
    ]);
    host.runRoute('event', changedEvent, context);
  });
}

/** Routes without a message run on a message of nobody's. */
const nobody = parseMessage(
  'OPTIONS sip:nobody@localhost SIP/2.0\r\nVia: SIP/2.0/UDP localhost;branch=z9hG4bK-none\r\n' +
    'From: <sip:nobody@localhost>;tag=none\r\nTo: <sip:nobody@localhost>\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\n\r\n',
) as SipMessage;
