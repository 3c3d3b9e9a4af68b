/**
 * Every module there is. Modules which a script does not load are not created; the core always is.
 */

import type { ModuleDeclaration } from '#module/define.ts';
import { acc } from '#modules/acc/declaration.ts';
import { acceptedModules } from '#modules/accepted.ts';
import { aliasDb } from '#modules/alias_db/declaration.ts';
import { auth } from '#modules/auth/declaration.ts';
import { authDb } from '#modules/auth_db/declaration.ts';
import { avpops } from '#modules/avpops/declaration.ts';
import { cfgutils } from '#modules/cfgutils/declaration.ts';
import { clusterer } from '#modules/clusterer/declaration.ts';
import { core } from '#modules/core/declaration.ts';
import { dialog } from '#modules/dialog/declaration.ts';
import { domain } from '#modules/domain/declaration.ts';
import { maxfwd } from '#modules/maxfwd/declaration.ts';
import { nathelper } from '#modules/nathelper/declaration.ts';
import { options } from '#modules/options/declaration.ts';
import { path } from '#modules/path/declaration.ts';
import { permissions } from '#modules/permissions/declaration.ts';
import { pike } from '#modules/pike/declaration.ts';
import { registrar } from '#modules/registrar/declaration.ts';
import { rr } from '#modules/rr/declaration.ts';
import { signaling } from '#modules/signaling/declaration.ts';
import { sipmsgops } from '#modules/sipmsgops/declaration.ts';
import { sl } from '#modules/sl/declaration.ts';
import { statistics } from '#modules/statistics/declaration.ts';
import { textops } from '#modules/textops/declaration.ts';
import { tm } from '#modules/tm/declaration.ts';
import { uacRedirect } from '#modules/uac_redirect/declaration.ts';
import { uri } from '#modules/uri/declaration.ts';
import { usrloc } from '#modules/usrloc/declaration.ts';

/** Each declaration keeps its instance type inside; the registry hands instances back only to their own module. */
export const modules: readonly ModuleDeclaration[] = [
  core,
  tm,
  sl,
  signaling,
  maxfwd,
  options,
  rr,
  sipmsgops,
  textops,
  uri,
  uacRedirect,
  dialog,
  usrloc,
  registrar,
  path,
  auth,
  authDb,
  aliasDb,
  domain,
  permissions,
  pike,
  statistics,
  avpops,
  acc,
  nathelper,
  cfgutils,
  clusterer,
  ...acceptedModules,
] as readonly ModuleDeclaration[];
