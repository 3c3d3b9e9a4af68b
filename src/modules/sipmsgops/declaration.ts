/** The module `sipmsgops`: looking at messages and changing them. Left out: adding and removing parts of a multipart. */

import { defineModule } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { codecFunctions } from '#modules/sipmsgops/functions-codec.ts';
import { headerFunctions } from '#modules/sipmsgops/functions-header.ts';
import { messageFunctions } from '#modules/sipmsgops/functions-message.ts';

export const sipmsgops = defineModule<ModuleHost>({
  name: 'sipmsgops',
  help: 'Looks at messages and changes their headers.',
  functions: [...headerFunctions, ...messageFunctions, ...codecFunctions],
  create: (host) => host,
});
