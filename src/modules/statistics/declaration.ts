/** The module `statistics`: counters of the script's own. `$stat` and the `statistics:` methods are the core's. */

import { defineModule, everyRoute } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { Counter } from '#module/statistics.ts';

/** Group of a name that says none, as in OpenSIPS. */
const defaultGroup = 'dynamic';

/** A counter of the script, `name` or `group:name`; null for one that somebody else only lets be read. */
function counterOf(host: ModuleHost, name: string): Counter | null {
  const colon = name.indexOf(':');
  const group = colon === -1 ? defaultGroup : name.slice(0, colon);
  const bare = name.slice(colon + 1);
  if (bare === '' || host.statistics.isGauge(`${group}:${bare}`)) return null;
  return host.statistics.counter(group, bare);
}

function update(host: ModuleHost, name: string | null, by: number): number {
  const counter = name === null ? null : counterOf(host, name);
  if (counter === null) return -1;
  counter.value += by;
  return 1;
}

function reset(host: ModuleHost, name: string | null): number {
  const counter = name === null ? null : counterOf(host, name);
  if (counter === null) return -1;
  counter.value = 0;
  return 1;
}

export const statistics = defineModule<ModuleHost>({
  name: 'statistics',
  help: 'Counters of the script.',
  parameters: [
    {
      name: 'variable',
      kind: 'string',
      default: null,
      repeatable: true,
      help: 'Name of a counter, "name" or "group:name", shown from the start on. "/no_reset" behind it is accepted.',
    },
    {
      name: 'stat_groups',
      kind: 'string',
      default: null,
      ignored: 'a group exists as soon as a counter names it',
      help: 'Accepted.',
    },
    {
      name: 'stat_series_profile',
      kind: 'string',
      default: null,
      repeatable: true,
      ignored: 'there are no series',
      help: 'Accepted.',
    },
  ],
  functions: [
    {
      name: 'update_stat',
      routes: everyRoute,
      arguments: [
        { name: 'name', kind: 'string' },
        { name: 'by', kind: 'integer' },
      ],
      help: 'Adds to a counter; the first mention makes it.',
      call: (host, _context, name: string | null, by: number | null) => update(host, name, by ?? 0),
    },
    {
      name: 'reset_stat',
      routes: everyRoute,
      arguments: [{ name: 'name', kind: 'string' }],
      help: 'Sets a counter to 0.',
      call: (host, _context, name: string | null) => reset(host, name),
    },
  ],
  create: (host, parameters) => {
    for (const name of (parameters.variable ?? []) as readonly string[]) {
      counterOf(host, name.replace(/\/no_reset$/, ''));
    }
    return host;
  },
});
