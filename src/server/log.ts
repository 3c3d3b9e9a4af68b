/** The log: pino, JSON on stdout, pretty on a terminal. Levels are OpenSIPS's numbers, -3 (alert) to 4 (debug). */

import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';
import type { Logger } from '#module/host.ts';

export interface ServerLog extends Logger {
  readonly level: number;
  setLevel(level: number): void;
}

export function openLog(level: number): ServerLog {
  const stream: DestinationStream | undefined = process.stdout.isTTY
    ? pretty({ sync: true, ignore: 'pid,hostname' })
    : undefined;
  const options = { level: pinoLevel(level), base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const logger = stream === undefined ? pino(options) : pino(options, stream);
  let current = level;
  return {
    get level(): number {
      return current;
    },
    setLevel: (wanted) => {
      current = wanted;
      logger.level = pinoLevel(wanted);
    },
    error: (message, fields) => logger.error(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    debug: (message, fields) => logger.debug(fields ?? {}, message),
  };
}

/** NOTICE (2) and INFO (3) are one level here: what an operator wants to read every day. */
function pinoLevel(level: number): string {
  if (level <= -1) return 'error';
  if (level === 1) return 'warn';
  return level >= 4 ? 'debug' : 'info';
}
