/**
 * The looking commands: which management method each asks, with what, and how its result reads for people. The
 * results have the shapes of OpenSIPS's own methods where it has them.
 */

import { formatCluster, formatClusterOfAll } from '#cli/cluster-view.ts';
import { type Cell, cellOf, formatPairs, formatTable, formatValue, indent, isObject } from '#cli/table.ts';

export interface View {
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The result of one node. */
  readonly format: (result: unknown) => string;
  /** The results of all nodes by node id, where they read better side by side. */
  readonly formatAll?: (results: Readonly<Record<string, unknown>>) => string;
}

export function statisticsView(selectors: readonly string[]): View {
  return {
    method: 'statistics:get',
    parameters: { statistics: selectors.length === 0 ? ['all'] : selectors },
    format: (result) =>
      formatPairs(Object.entries(asObject(result)).map(([name, value]) => [name, cellOf(value)])),
    formatAll: formatStatisticsOfNodes,
  };
}

export const clusterView: View = {
  method: 'anyvia:cluster',
  parameters: {},
  format: formatCluster,
  formatAll: formatClusterOfAll,
};
export const transactionsView: View = { method: 'anyvia:transactions', parameters: {}, format: formatValue };
export const dialogsView: View = { method: 'dialog:list', parameters: {}, format: formatDialogs };
export const contactsView: View = { method: 'usrloc:dump', parameters: {}, format: formatContacts };

/** Without a name: all profiles. With one: its values and their counts. */
export function profilesView(profile: string | undefined): View {
  if (profile === undefined)
    return { method: 'dialog:list_all_profiles', parameters: {}, format: formatProfiles };
  return { method: 'dialog:profile_get_values', parameters: { profile }, format: formatProfileValues };
}

/** Names down, nodes across, and the sum. */
function formatStatisticsOfNodes(results: Readonly<Record<string, unknown>>): string {
  const nodes = Object.keys(results);
  const names = [...new Set(nodes.flatMap((node) => Object.keys(asObject(results[node]))))];
  const rows = names.map((name): Cell[] => {
    const values = nodes.map((node) => cellOf(asObject(results[node])[name]));
    const total = values.reduce<number>((sum, value) => sum + (typeof value === 'number' ? value : 0), 0);
    return [name, ...values, total];
  });
  return formatTable(['statistic', ...nodes.map((node) => `node ${node}`), 'total'], rows);
}

/** The results of several nodes one below the other; a node's own error stands in its place. */
export function formatNodes(view: View, results: Readonly<Record<string, unknown>>): string {
  if (view.formatAll !== undefined && Object.values(results).every((result) => errorOf(result) === '')) {
    return view.formatAll(results);
  }
  return Object.entries(results)
    .map(([node, result]) => {
      const error = errorOf(result);
      const body = error === '' ? view.format(result) : `error: ${error}\n`;
      return `node ${node}\n${indent(body)}`;
    })
    .join('\n');
}

/** What a node that could not answer has said; '' for a result. */
export function errorOf(result: unknown): string {
  if (!isObject(result) || Object.keys(result).length !== 1 || result.error === undefined) return '';
  const error = result.error;
  return String(isObject(error) ? (error.message ?? JSON.stringify(error)) : error);
}

/** OpenSIPS's numbers of dialog states. */
const dialogStates: Readonly<Record<number, string>> = {
  1: 'unconfirmed',
  2: 'early',
  3: 'confirmed, no ACK',
  4: 'confirmed',
  5: 'deleted',
};

function formatDialogs(result: unknown): string {
  const rows = listOf(result, 'Dialogs').map((dialog): Cell[] => {
    const state = Number(dialog.state);
    return [
      cellOf(dialog.ID),
      dialogStates[state] ?? cellOf(dialog.state),
      cellOf(dialog.callid),
      cellOf(dialog.from_uri),
      cellOf(dialog.to_uri),
      cellOf(dialog.datestart),
    ];
  });
  return formatTable(['ID', 'state', 'callid', 'from', 'to', 'since'], rows) || '(no dialogs)\n';
}

function formatContacts(result: unknown): string {
  const rows: Cell[][] = [];
  for (const domain of listOf(result, 'Domains')) {
    for (const record of listOf(domain, 'AORs')) {
      for (const contact of listOf(record, 'Contacts')) {
        rows.push([
          cellOf(domain.name),
          cellOf(record.AOR),
          cellOf(contact.Contact),
          cellOf(contact.Expires),
          cellOf(contact.Q),
          cellOf(contact['User-agent']),
        ]);
      }
    }
  }
  return formatTable(['domain', 'AOR', 'contact', 'expires', 'q', 'user agent'], rows) || '(no contacts)\n';
}

function formatProfiles(result: unknown): string {
  const rows = listOf(result, 'Profiles').map((profile): Cell[] => [
    cellOf(profile.name),
    cellOf(profile['has value']),
  ]);
  return formatTable(['profile', 'has value'], rows) || '(no profiles)\n';
}

function formatProfileValues(result: unknown): string {
  const rows = (Array.isArray(result) ? result : []).filter(isObject);
  return (
    formatTable(
      ['value', 'dialogs'],
      rows.map((row) => [cellOf(row.value), cellOf(row.count)]),
    ) || '(no values)\n'
  );
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function listOf(value: unknown, name: string): Readonly<Record<string, unknown>>[] {
  const list = asObject(value)[name];
  return Array.isArray(list) ? list.filter(isObject) : [];
}
