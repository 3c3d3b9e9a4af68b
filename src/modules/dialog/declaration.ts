/** The module `dialog`: parameters and variables with OpenSIPS's names, management commands with its JSON. */

import type { Dialog } from '#dialog/dialog.ts';
import type { MessageContext } from '#module/context.ts';
import { defineModule, type ParameterDeclaration, type VariableDeclaration } from '#module/define.ts';
import { dialogService } from '#module/services.ts';
import { bareProfile, DialogModule } from '#modules/dialog/dialog-module.ts';
import { dialogFunctions } from '#modules/dialog/functions.ts';
import type { Value } from '#script/value.ts';
import { Failure } from '#util/failure.ts';

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
  { name: 'db_mode', kind: 'integer', default: 0, ignored: inMemory, help: inMemory },
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
  ...ignored(
    'integer',
    'db_update_period db_flush_vals_profiles timer_bulk_del_no profile_timeout',
    inMemory,
  ),
  ...ignored(
    'string',
    'db_url table_name cachedb_url profile_value_prefix profile_no_value_prefix',
    inMemory,
  ),
  ...ignored('string', 'profile_size_prefix dlg_extra_hdrs event_id_format', inMemory),
  ...ignored(
    'integer',
    'enable_stats hash_size log_profile_hash_size delete_delay',
    'tables grow by themselves',
  ),
  ...ignored('integer', 'dlg_match_mode race_condition_timeout', 'by id first, then by Call-ID and tags'),
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
    context.request.fromTag === dialog.fromTag ? 'downstream' : 'upstream',
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
    help: 'Seconds that the dialog may last; writable.',
    read: (_module, context) => (context.dialog as Dialog | null)?.lifetime ?? null,
    write: (module, context, value) => {
      const seconds = Number(value);
      const dialog = context.dialog as Dialog | null;
      if (dialog !== null && seconds > 0) module.setLifetime(dialog, Math.floor(seconds));
    },
  },
  {
    names: ['dlg_val'],
    inner: 'required',
    help: 'A value kept with the dialog; NULL deletes it.',
    read: (_module, context, name) => (context.dialog as Dialog | null)?.values.get(name ?? '') ?? null,
    write: (_module, context, value, name) => {
      const dialog = context.dialog as Dialog | null;
      if (value === null) dialog?.values.delete(name ?? '');
      else dialog?.values.set(name ?? '', value);
    },
  },
];

/** A listing longer than this helps nobody. */
const listedMax = 10_000;

function describe(dialog: Dialog, withContext: boolean): Record<string, unknown> {
  const described: Record<string, unknown> = {
    ID: dialog.id,
    state: dialog.state,
    user_flags: dialog.flags,
    timestart: dialog.start,
    timeout: dialog.start + dialog.lifetime,
    callid: dialog.callId,
    from_uri: dialog.fromUri,
    to_uri: dialog.toUri,
    caller_tag: dialog.fromTag,
    caller_contact: dialog.callerContact,
    owner: dialog.owner,
    CALLEES: dialog.toTag === '' ? [] : [{ callee_tag: dialog.toTag }],
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

function knownProfile(module: DialogModule, name: unknown): string | Failure {
  const profile = bareProfile(String(name));
  return module.profiles.has(profile) ? profile : new Failure('404', 'Profile not found');
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
    'processed_dialogs',
    'expired_dialogs',
    'failed_dialogs',
    'create_sent',
    'update_sent',
    'delete_sent',
    'create_recv',
    'update_recv',
    'delete_recv',
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
        Profiles: [...module.profiles].map(([name, hasValue]) => ({ name, 'has value': hasValue })),
      }),
    },
  ],
  create: (host, values) => {
    const module = new DialogModule(host, values);
    host.provide(dialogService, module);
    return module;
  },
});
