/**
 * The commands that look into a running node and those that steer it. What a result looks like stands in views.ts.
 */

import { type Command, InvalidArgumentError } from 'commander';
import { act, type LookOptions, look, reportFailure, trace } from '#cli/ask.ts';
import { readMethodParameters } from '#cli/method-parameters.ts';
import * as views from '#cli/views.ts';
import { Failure } from '#util/failure.ts';

const defaultSocket = '/run/anyvia/anyvia.sock';
/** What a drain without a limit of its own may take: the longest calls decide, not this program. */
const secondsMax = 86_400;

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= secondsMax)) throw new InvalidArgumentError('Seconds are expected.');
  return value;
}

/** `finish` gets the exit code. */
type Finish = (code: number) => void;

function nodeCommand(program: Command, usage: string, description: string): Command {
  const socket = process.env.ANYVIA_SOCKET ?? defaultSocket;
  const command = program.command(usage).description(description);
  return command.option('-s, --socket <path>', 'control socket of the node (ANYVIA_SOCKET)', socket);
}

export function addLookCommands(program: Command, finish: Finish): void {
  const add = (usage: string, description: string, viewOf: (words: string[]) => views.View): void => {
    nodeCommand(program, usage, description)
      .option('--json', 'the result as JSON')
      .option('--watch', 'again and again, until Ctrl-C')
      .option('--interval <seconds>', 'time between two looks of --watch', seconds, 1)
      .option('--all', 'the whole cluster, asked through this node')
      .action(async (...words: unknown[]) => {
        // commander hands over the arguments, then the options, then the command itself.
        const options = words.at(-2) as LookOptions;
        finish(await look(viewOf(words.slice(0, -2).flat() as string[]), options));
      });
  };
  add('stats [selector...]', 'statistics: GROUP: or NAME or GROUP:NAME', views.statisticsView);
  add('cluster', 'the nodes and the links between them', () => views.clusterView);
  add('dialogs', 'dialogs that are going on', () => views.dialogsView);
  add('profiles [profile]', 'dialog profiles, or the values of one', ([name]) => views.profilesView(name));
  add('contacts', 'registered contacts', () => views.contactsView);
  add('transactions', 'transactions that this node owns', () => views.transactionsView);
  nodeCommand(program, 'trace', 'what happens to each message, until Ctrl-C')
    .option('--json', 'one JSON object per line')
    .action(async (options) => finish(await trace(options)));
}

export function addActCommands(program: Command, finish: Finish): void {
  const add = (name: string, method: string, description: string): void => {
    nodeCommand(program, name, description).action(async ({ socket }) => {
      finish(await act(socket, { method, parameters: {} }));
    });
  };
  nodeCommand(program, 'drain', 'take no new calls; answers when the last transaction is over')
    .option('--timeout <seconds>', 'leave what is still going on after this time', seconds)
    .action(async ({ socket, timeout }) => {
      const parameters = timeout === undefined ? {} : { timeout };
      const milliseconds = ((timeout ?? secondsMax) + 10) * 1000;
      finish(await act(socket, { method: 'anyvia:drain', parameters }, { milliseconds }));
    });
  add('resume', 'anyvia:resume', 'take new calls again');
  add('stop', 'anyvia:stop', 'stop the node now');
  add('reload', 'anyvia:reload', 'read the script and the membership again');
  nodeCommand(program, 'log-level [level]', 'show the log level, or set it: -3 (alert) to 4 (debug)').action(
    async (level: string | undefined, { socket }) => {
      const parameters = level === undefined ? {} : { level };
      finish(await act(socket, { method: 'log_level', parameters }));
    },
  );
}

export function addManagementCommand(program: Command, finish: Finish): void {
  nodeCommand(program, 'mi <method> [parameter...]', 'any management method, by its OpenSIPS name')
    .option('--json', 'the result as JSON')
    .option('--all', 'the whole cluster, asked through this node')
    .action(async (method: string, words: string[], { socket, json, all }) => {
      const parameters = readMethodParameters(method, words, all === true);
      if (parameters instanceof Failure) finish(reportFailure(parameters));
      else finish(await act(socket, { method, parameters }, { json }));
    });
}
