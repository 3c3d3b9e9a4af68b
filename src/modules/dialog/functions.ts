/** The script functions of the dialog module. */

import { type Dialog, dialogDuties } from '#dialog/dialog.ts';
import type { MessageContext } from '#module/context.ts';
import {
  everyRoute,
  type FunctionDeclaration,
  type RouteKind,
  type VariableReference,
} from '#module/define.ts';
import type { DialogModule } from '#modules/dialog/dialog-module.ts';
import { bareProfile, matchModes } from '#modules/dialog/settings.ts';
import { isFailure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<DialogModule>;

const messageRoutes: readonly RouteKind[] = ['request', 'failure', 'onreply', 'branch', 'local'];

function dialogOf(context: MessageContext): Dialog | null {
  return context.dialog as Dialog | null;
}

function simple(
  name: string,
  help: string,
  call: (module: DialogModule, context: MessageContext) => number,
): Declaration {
  return { name, routes: ['request'], arguments: [], help, call };
}

/** Old letters stand together, new names between commas. */
function dutiesOf(flags: string): number {
  const isBye = flags.includes('bye-on-timeout') || /^[PpBRrE]*B[PpBRrE]*$/.test(flags);
  return isBye ? dialogDuties.byeOnTimeout : 0;
}

const matchModesByName: Readonly<Record<string, number>> = {
  DID_ONLY: matchModes.didOnly,
  DID_FALLBACK: matchModes.didFallback,
  DID_NONE: matchModes.didNone,
};

const createDialog: Declaration = {
  name: 'create_dialog',
  routes: ['request'],
  arguments: [{ name: 'flags', kind: 'string', optional: true }],
  help: 'Makes a dialog of this initial INVITE. "B" or "bye-on-timeout": BYE to both sides when its lifetime ends. Flags for pings are accepted.',
  call: (module, context, flags: string | null) => (module.begin(context, dutiesOf(flags ?? '')) ? 1 : -1),
};

const matchDialog: Declaration = {
  name: 'match_dialog',
  routes: ['request'],
  arguments: [{ name: 'mode', kind: 'string', optional: true }],
  help: 'True when this in-dialog request belongs to a dialog known here. Modes: DID_ONLY, DID_FALLBACK, DID_NONE; absent: `dlg_match_mode`.',
  call: (module, context, mode: string | null) =>
    module.find(context, matchModesByName[mode ?? ''] ?? module.settings.matchMode) ? 1 : -1,
};

const setProfile: Declaration = {
  name: 'set_dlg_profile',
  routes: messageRoutes,
  arguments: [
    { name: 'profile', kind: 'string' },
    { name: 'value', kind: 'string', optional: true },
    { name: 'clear_values', kind: 'integer', optional: true },
  ],
  help: 'Puts the dialog into a profile, counted on all nodes together. -1 without dialog or for an unknown profile.',
  call: (module, context, profile: string, value: string | null, clear: number | null) => {
    const dialog = dialogOf(context);
    const name = bareProfile(profile ?? '');
    const hasValue = module.settings.profiles.get(name);
    if (dialog === null || hasValue === undefined) return -1;
    module.table.enter(dialog, { profile: name, value: hasValue ? (value ?? '') : null }, clear === 1);
    module.tellUpdate(dialog);
    return 1;
  },
};

const unsetProfile: Declaration = {
  name: 'unset_dlg_profile',
  routes: messageRoutes,
  arguments: [
    { name: 'profile', kind: 'string' },
    { name: 'value', kind: 'string', optional: true },
  ],
  help: 'Takes the dialog out of a profile.',
  call: (module, context, profile: string, value: string | null) => {
    const dialog = dialogOf(context);
    if (dialog === null || !module.table.leave(dialog, bareProfile(profile ?? ''), value)) return -1;
    module.tellUpdate(dialog);
    return 1;
  },
};

const isInProfile: Declaration = {
  name: 'is_in_profile',
  routes: messageRoutes,
  arguments: [
    { name: 'profile', kind: 'string' },
    { name: 'value', kind: 'string', optional: true },
  ],
  help: 'True when the dialog is in the profile (with that value).',
  call: (_module, context, profile: string, value: string | null) => {
    const name = bareProfile(profile ?? '');
    const entries = dialogOf(context)?.profiles ?? [];
    return entries.some((entry) => entry.profile === name && (value === null || entry.value === value))
      ? 1
      : -1;
  },
};

const profileSize: Declaration = {
  name: 'get_profile_size',
  routes: everyRoute,
  arguments: [
    { name: 'profile', kind: 'string' },
    { name: 'value', kind: 'string', optional: true },
    { name: 'size', kind: 'variable' },
  ],
  help: 'Writes how many dialogs of the whole cluster are in the profile (with that value).',
  call: (module, context, profile: string, value: string | null, size: VariableReference) => {
    const name = bareProfile(profile ?? '');
    if (!module.settings.profiles.has(name)) return -1;
    size.write(context, module.table.profileSize(name, value === '' ? null : value));
    return 1;
  },
};

function flagFunction(
  name: string,
  help: string,
  act: (dialog: Dialog, bit: number, module: DialogModule) => number,
): Declaration {
  return {
    name,
    routes: messageRoutes,
    arguments: [{ name: 'flag', kind: 'string' }],
    help,
    call: (module, context, flag: string) => {
      const dialog = dialogOf(context);
      const bit = module.host.flagBit('dialog', flag ?? '');
      return dialog === null || isFailure(bit) ? -1 : act(dialog, bit, module);
    },
  };
}

const storeValue: Declaration = {
  name: 'store_dlg_value',
  routes: messageRoutes,
  arguments: [
    { name: 'name', kind: 'string' },
    { name: 'value', kind: 'string' },
  ],
  help: 'Keeps a value with the dialog, on all nodes. -1 without dialog, or when it has 256 already.',
  call: (module, context, name: string, value: string | null) => {
    const dialog = dialogOf(context);
    return dialog !== null && module.setValue(dialog, name, value) ? 1 : -1;
  },
};

const fetchValue: Declaration = {
  name: 'fetch_dlg_value',
  routes: messageRoutes,
  arguments: [
    { name: 'name', kind: 'string' },
    { name: 'value', kind: 'variable' },
  ],
  help: 'Reads a value that was kept with the dialog.',
  call: (_module, context, name: string, target: VariableReference) => {
    const value = dialogOf(context)?.values.get(name) ?? null;
    if (value === null) return -1;
    target.write(context, value);
    return 1;
  },
};

const sharingTag: Declaration = {
  name: 'set_dlg_sharing_tag',
  routes: ['request'],
  arguments: [{ name: 'tag', kind: 'string' }],
  help: 'Accepted: a dialog belongs to the node that made it, and every node can handle its requests.',
  call: (_module, context) => (context.dialog === null ? -1 : 1),
};

/** Of the side that a request within the dialog goes to, '' when nobody told. */
function remoteContact(context: MessageContext): string {
  const dialog = dialogOf(context);
  if (dialog === null) return '';
  return dialog[dialog.isFromCaller(context.request.fromTag) ? 'callee' : 'caller'].contact;
}

function validate(context: MessageContext): number {
  const dialog = dialogOf(context);
  if (dialog === null) return -4;
  const { method, cseqNumber, fromTag } = context.request;
  const sender = dialog[dialog.isFromCaller(fromTag) ? 'caller' : 'callee'];
  // RFC 3261 12.2.2: the number grows; the ACK has that of its INVITE.
  if (method !== 'ACK' && cseqNumber <= sender.cseq) return -1;
  const contact = remoteContact(context);
  return contact === '' || contact === context.requestUri ? 1 : -2;
}

const endDialog: Declaration = {
  name: 'end_dlg',
  routes: messageRoutes,
  arguments: [],
  help: 'Ends the answered dialog: BYE to both sides. -1 without one.',
  call: (module, context) => {
    const dialog = dialogOf(context);
    return dialog !== null && module.terminate(dialog, 'Script Termination', '') ? 1 : -1;
  },
};

export const dialogFunctions: readonly Declaration[] = [
  createDialog,
  matchDialog,
  setProfile,
  unsetProfile,
  isInProfile,
  profileSize,
  storeValue,
  fetchValue,
  sharingTag,
  simple(
    'validate_dialog',
    'Compares the request with its dialog: -1 its CSeq is too low, -2 its Request-URI is not the Contact of the other side, -4 it has no dialog. Route headers are not compared.',
    (_module, context) => validate(context),
  ),
  simple(
    'fix_route_dialog',
    'Makes the Contact of the other side the Request-URI. The Route set of the request is followed as it is.',
    (_module, context) => {
      const contact = remoteContact(context);
      if (contact === '') return -1;
      context.requestUri = contact;
      return 1;
    },
  ),
  endDialog,
  flagFunction('set_dlg_flag', 'Sets a flag of the dialog.', (dialog, bit, module) => {
    module.setFlags(dialog, dialog.flags | bit);
    return 1;
  }),
  flagFunction('reset_dlg_flag', 'Clears a flag of the dialog.', (dialog, bit, module) => {
    module.setFlags(dialog, dialog.flags & ~bit);
    return 1;
  }),
  flagFunction('is_dlg_flag_set', 'True when the flag of the dialog is set.', (dialog, bit) =>
    (dialog.flags & bit) === 0 ? -1 : 1,
  ),
];
