#!/usr/bin/env node
/** The program `anyvia`: its commands and options. What they do stands in cli/. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { exitCodes } from '#cli/exit-codes.ts';
import { addActCommands, addLookCommands, addManagementCommand } from '#cli/node-commands.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('anyvia')
  .description('SIP proxy for an anycast address')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(anyvia --help lists the commands)');

function finish(code: number): void {
  process.exitCode = code;
}

program
  .command('start')
  .description('run a node in the foreground')
  .requiredOption('-f, --file <script>', 'configuration script')
  .option('-l, --listen <socket...>', 'a further listener: udp:ADDRESS:PORT')
  .action(async ({ file, listen = [] }) =>
    finish(await (await import('#cli/daemon.ts')).start(file, listen)),
  );
program
  .command('check')
  .description('look for every problem in a configuration script')
  .requiredOption('-f, --file <script>', 'configuration script')
  .action(async ({ file }) => finish(await (await import('#cli/daemon.ts')).check(file)));

addLookCommands(program, finish);
addActCommands(program, finish);
addManagementCommand(program, finish);

const database = program.command('db').description('tables of the database');
for (const name of ['create', 'migrate'] as const) {
  database
    .command(name)
    .description(name === 'create' ? 'make the database and its tables' : 'add the tables that are missing')
    .requiredOption('--db <url>', 'mysql://user:password@host:port/name or sqlite:///PATH')
    .action(async ({ db }) =>
      finish(await (await import('#cli/database.ts')).layTables(db, name === 'create')),
    );
}

// `anyvia stats | head` closes the pipe early: that is no error.
process.stdout.on('error', () => process.exit(exitCodes.success));
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  finish(error.exitCode === 0 ? exitCodes.success : exitCodes.usage);
}
