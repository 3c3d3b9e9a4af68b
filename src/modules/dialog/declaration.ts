/** The module `dialog`: parameters and variables with OpenSIPS's names, management commands with its JSON. */

import type { Dialog } from '#dialog/dialog.ts';
import type { MessageContext } from '#module/context.ts';
import { defineModule, type ParameterDeclaration, type VariableDeclaration } from '#module/define.ts';
import { dialogService } from '#module/services.ts';
import { countedNames } from '#modules/dialog/dialog-figures.ts';
import { DialogModule } from '#modules/dialog/dialog-module.ts';
import { dialogFunctions } from '#modules/dialog/functions.ts';
import { bareProfile, headerLines, readSettings } from '#modules/dialog/settings.ts';
import type { Value } from '#script/value.ts';
import { Failure, isFailure } from '#util/failure.ts';

function ignored(kind: 'integer' | 'string', names: string, reason: string): ParameterDeclaration[] {
  return names.split(' ').map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

const shared = 'dialogs and profiles are shared by all nodes of the cluster at once';
const inMemory = 'dialogs live in the memory of all nodes';

const parameters: readonly ParameterDeclaration[] = [
  { name: 'default_timeout', kind: 'integer', default: 43_200, help: 'Seconds that a dialog may last.' },
  { name: 'rr_param', kind: 'string', default: 'did', help: 'Record-Route parameter that carries the id.' },
  { name: 'profiles_with_value', kind: 'string', default: null, help: 'Names, separated by ";".' },
  { name: 'profiles_no_value', kind: 'string', default: null, help: 'Names, separated by ";".' },
  {
    name: 'db_mode',
    kind: 'integer',
    default: 0,
    help: 'Answered dialogs in a database: 0 no, 1 at once, 2 every `db_update_period`, 3 when the node stops. Never in the way of a call.',
  },
  { name: 'db_url', kind: 'string', default: null, help: 'Database; absent: `db_default_url`.' },
  { name: 'table_name', kind: 'string', default: 'dialog', help: 'Table of the dialogs.' },
  { name: 'db_update_period', kind: 'integer', default: 60, help: 'Seconds between two writes in mode 2.' },
  ...ignored(
    'integer',
    'dialog_replication_cluster profile_replication_cluster replicate_profiles_timer',
    shared,
  ),
  ...ignored(
    'integer',
    'replicate_profiles_check replicate_profiles_buffer replicate_profiles_expire',
    shared,
  ),
  ...ignored('integer', 'cluster_auto_sync', shared),
  ...ignored('string', 'dlg_sharing_tag', shared),
  ...ignored('integer', 'db_flush_vals_profiles timer_bulk_del_no profile_timeout', inMemory),
  ...ignored('string', 'cachedb_url profile_value_prefix profile_no_value_prefix', inMemory),
  ...ignored('string', 'profile_size_prefix event_id_format', inMemory),
  ...ignored(
    'integer',
    'enable_stats hash_size log_profile_hash_size delete_delay',
    'tables grow by themselves',
  ),
  {
    name: 'dlg_match_mode',
    kind: 'integer',
    default: 1,
    help: 'How a request finds its dialog: 0 by `did` alone, 1 then by Call-ID and tags, 2 by these alone.',
  },
  {
    name: 'dlg_extra_hdrs',
    kind: 'string',
    default: null,
    help: 'Header lines for BYEs of our own.',
  },
  ...ignored(
    'integer',
    'race_condition_timeout',
    'a CANCEL that crosses the answer leaves the call to its sides',
  ),
  ...ignored('integer', 'options_ping_interval reinvite_ping_interval', 'there are no in-dialog pings yet'),
  ...ignored('integer', 'auto_prack_hangup_on_failure auto_prack_fr_timeout', 'PRACK passes through'),
];

type Variable = VariableDeclaration<DialogModule>;

function read(
  name: string,
  help: string,
  value: (dialog: Dialog, context: MessageContext, module: DialogModule) => Value,
): Variable {
  return {
    names: [name],
    inner: 'none',
    help,
    read: (module, context) => {
      const dialog = context.dialog as Dialog | null;
      return dialog === null ? null : value(dialog, context, module);
    },
  };
}

const variables: readonly Variable[] = [
  read('DLG_status', '1 unconfirmed, 2 early, 3 answered, 4 confirmed, 5 ended.', (dialog) => dialog.state),
  read('DLG_dir', '"downstream" from the caller, "upstream" from the callee.', (dialog, context) =>
    dialog.isFromCaller(context.request.fromTag) ? 'downstream' : 'upstream',
  ),
  read('DLG_lifetime', 'Seconds since it was answered.', (dialog, _context, module) =>
    dialog.start === 0 ? 0 : Math.floor(module.host.clock.wall() / 1000) - dialog.start,
  ),
  read('DLG_did', 'Id of the dialog.', (dialog) => dialog.id),
  read('DLG_end_reason', 'Why it ended.', (dialog) => (dialog.endReason === '' ? null : dialog.endReason)),
  {
    names: ['DLG_count'],
    inner: 'none',
    help: 'Dialogs of the whole cluster.',
    read: (module) => module.table.size,
  },
  {
    names: ['DLG_timeout'],
    inner: 'none',
    help: 'Seconds that the dialog may last from now on, before its answer from then on; writable.',
    read: (module, context) => {
      const dialog = context.dialog as Dialog | null;
      return dialog === null ? null : module.secondsLeft(dialog);
    },
    write: (module, context, value) => {
      const seconds = Number(value);
      const dialog = context.dialog as Dialog | null;
      if (dialog !== null && seconds > 0) module.setLifetime(dialog, Math.floor(seconds));
    },
  },
  {
    names: ['dlg_val'],
    inner: 'required',
    help: 'A value kept with the dialog on all nodes; NULL deletes it.',
    read: (_module, context, name) => (context.dialog as Dialog | null)?.values.get(name ?? '') ?? null,
    write: (module, context, value, name) => {
      const dialog = context.dialog as Dialog | null;
      if (dialog !== null) module.setValue(dialog, name ?? '', value);
    },
  },
];

function calleeOf({ toTag, caller, callee }: Dialog): Record<string, string> {
  return {
    callee_tag: toTag,
    callee_contact: callee.contact,
    caller_cseq: String(caller.cseq),
    callee_route_set: callee.routeSet,
  };
}

/** A listing longer than this helps nobody. */
const listedMax = 10_000;

function describe(dialog: Dialog, withContext: boolean): Record<string, unknown> {
  const described: Record<string, unknown> = {
    ID: dialog.id,
    state: dialog.state,
    user_flags: dialog.flags,
    timestart: dialog.start,
    timeout: dialog.start === 0 ? 0 : dialog.start + dialog.lifetime,
    callid: dialog.callId,
    from_uri: dialog.fromUri,
    to_uri: dialog.toUri,
    caller_tag: dialog.fromTag,
    caller_contact: dialog.caller.contact,
    callee_cseq: String(dialog.callee.cseq),
    caller_route_set: dialog.caller.routeSet,
    owner: dialog.owner,
    CALLEES: dialog.toTag === '' ? [] : [calleeOf(dialog)],
  };
  if (withContext) {
    described.context = {
      values: [...dialog.values].map(([name, value]) => ({ [name]: value })),
      profiles: dialog.profiles.map(({ profile, value }) => ({ [profile]: value })),
    };
  }
  return described;
}

function list(module: DialogModule, callId: unknown, withContext: boolean): unknown {
  const dialogs: unknown[] = [];
  for (const dialog of module.table.all()) {
    if (dialogs.length >= listedMax) break;
    if (callId === undefined || dialog.callId === callId) dialogs.push(describe(dialog, withContext));
  }
  if (callId !== undefined && dialogs.length === 0) return new Failure('404', 'Dialog not found');
  return { Dialogs: dialogs };
}

function end(module: DialogModule, key: string, headers: string): unknown {
  const dialog = module.table.get(key) ?? module.table.withCallId(key);
  if (dialog === null) return new Failure('404', 'Requested Dialog not found');
  if (module.terminate(dialog, 'MI Termination', headers)) return 'OK';
  return new Failure('403', 'The dialog is not answered yet: its caller or callee can end it');
}

function knownProfile(module: DialogModule, name: unknown): string | Failure {
  const profile = bareProfile(String(name));
  return module.settings.profiles.has(profile) ? profile : new Failure('404', 'Profile not found');
}

export const dialog = defineModule<DialogModule>({
  name: 'dialog',
  help: 'Dialogs (calls) and dialog profiles, known to every node of the cluster.',
  needs: ['tm', 'rr'],
  parameters,
  functions: dialogFunctions,
  variables,
  statistics: [
    'active_dialogs',
    'early_dialogs',
    ...countedNames,
    'refused_dialogs',
    'ends_held',
    'ends_dropped',
    'db_waiting',
    'db_written',
    'db_removed',
    'db_failures',
    'db_refused',
    'db_overflowed',
  ],
  commands: [
    {
      name: 'dialog:list',
      aliases: ['dlg_list'],
      parameters: ['callid?'],
      help: 'Dialogs of the whole cluster as this node knows them.',
      run: (module, { callid }) => list(module, callid, false),
    },
    {
      name: 'dialog:list_ctx',
      aliases: ['dlg_list_ctx'],
      parameters: ['callid?'],
      help: 'The same with values and profiles.',
      run: (module, { callid }) => list(module, callid, true),
    },
    {
      name: 'dialog:end_dlg',
      aliases: ['dlg_end_dlg'],
      parameters: ['dialog_id', 'extra_hdrs?'],
      help: 'Ends an answered dialog, by its id or Call-ID: BYE to both sides.',
      run: (module, { dialog_id, extra_hdrs }) => end(module, String(dialog_id), headerLines(extra_hdrs)),
    },
    {
      name: 'dialog:profile_get_size',
      aliases: ['profile_get_size'],
      parameters: ['profile', 'value?'],
      help: 'Dialogs in a profile, cluster-wide.',
      run: (module, parameters) => {
        const profile = knownProfile(module, parameters.profile);
        if (profile instanceof Failure) return profile;
        const value = parameters.value === undefined ? null : String(parameters.value);
        const count = module.table.profileSize(profile, value);
        return { Profile: { name: profile, value, count, shared: 'no', replicated: 'yes' } };
      },
    },
    {
      name: 'dialog:profile_get_values',
      aliases: ['profile_get_values'],
      parameters: ['profile'],
      help: 'Values of a profile and how many dialogs have each.',
      run: (module, parameters) => {
        const profile = knownProfile(module, parameters.profile);
        return profile instanceof Failure ? profile : module.table.profileValues(profile);
      },
    },
    {
      name: 'dialog:list_all_profiles',
      aliases: ['list_all_profiles'],
      parameters: [],
      help: 'All profiles.',
      run: (module) => ({
        Profiles: [...module.settings.profiles].map(([name, hasValue]) => ({ name, 'has value': hasValue })),
      }),
    },
  ],
  create: (host, values) => {
    const settings = readSettings(values, host.globalParameter('db_default_url'));
    if (isFailure(settings)) return settings;
    const module = new DialogModule(host, settings);
    const problem = module.records.open(settings);
    if (problem !== null) return problem;
    host.provide(dialogService, module);
    return module;
  },
});
