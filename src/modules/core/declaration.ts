/** The core: what every script may use without loading a module. */

import { defineModule } from '#module/define.ts';
import { coreCommands } from '#modules/core/commands.ts';
import { CoreModule } from '#modules/core/core-module.ts';
import { branchFunctions } from '#modules/core/functions-branch.ts';
import { flagFunctions } from '#modules/core/functions-flag.ts';
import { forwardFunctions } from '#modules/core/functions-forward.ts';
import { logFunctions } from '#modules/core/functions-log.ts';
import { socketFunctions } from '#modules/core/functions-socket.ts';
import { storeFunctions } from '#modules/core/functions-store.ts';
import { uriFunctions } from '#modules/core/functions-uri.ts';
import { addressTransformationList } from '#modules/core/transformations-address.ts';
import { listTransformations } from '#modules/core/transformations-list.ts';
import { stringTransformations } from '#modules/core/transformations-string.ts';
import { branchVariables } from '#modules/core/variables-branch.ts';
import { headerVariables } from '#modules/core/variables-header.ts';
import { messageVariables } from '#modules/core/variables-message.ts';
import { socketVariables } from '#modules/core/variables-socket.ts';
import { timeVariables } from '#modules/core/variables-time.ts';
import { uriVariables } from '#modules/core/variables-uri.ts';

export const core = defineModule<CoreModule>({
  name: 'core',
  help: 'What every script may use without loading a module.',
  functions: [
    ...uriFunctions,
    ...flagFunctions,
    ...branchFunctions,
    ...socketFunctions,
    ...forwardFunctions,
    ...logFunctions,
    ...storeFunctions,
  ],
  variables: [
    ...messageVariables,
    ...uriVariables,
    ...headerVariables,
    ...socketVariables,
    ...branchVariables,
    ...timeVariables,
  ],
  transformations: [...stringTransformations, ...addressTransformationList, ...listTransformations],
  commands: coreCommands,
  statistics: [
    'rcv_requests',
    'rcv_replies',
    'fwd_requests',
    'fwd_replies',
    'drop_requests',
    'drop_replies',
    'err_requests',
    'err_replies',
    'timestamp',
  ],
  create: (host) => {
    const module = new CoreModule(host);
    host.statistics.gauge('core', 'timestamp', () => (host.clock.wall() - module.startedAt) / 1000);
    return module;
  },
});
