/**
 * Request-Line and Status-Line (RFC 3261 7.1, 7.2). A request line that is wrong but can be told apart is read with its
 * problem, so that the sender gets an answer; what speaks another protocol is no start line at all.
 */

import { ParseFailure } from '#sip/parse-failure.ts';
import { decimalOf, isToken, sliceTrimmed } from '#sip/token.ts';

export interface StartLine {
  /** '' in a response. */
  readonly method: string;
  readonly uri: string;
  /** 0 in a request. */
  readonly status: number;
  readonly reason: string;
  /** Offset behind the line. */
  readonly end: number;
  /** Reason phrase of the refusal; '' when nothing is wrong. */
  readonly problem: string;
  readonly problemStatus: number;
}

const code = 'SIP_START_LINE_INVALID';
/** `SIP/2.0`, and nothing that could stand for a version in earnest is longer. */
const versionCharactersMax = 16;

/** `begin`: offset of the first character that is no line end. */
export function readStartLine(text: string, begin: number): StartLine | ParseFailure {
  const newline = text.indexOf('\n', begin);
  if (newline === -1) return new ParseFailure(code, 'there is no start line');
  const lineEnd = text.charCodeAt(newline - 1) === 13 ? newline - 1 : newline;
  if (text.startsWith('SIP/2.0 ', begin)) return readStatusLine(text, begin, lineEnd, newline + 1);
  const first = text.indexOf(' ', begin);
  const second = first === -1 ? -1 : text.indexOf(' ', first + 1);
  // RFC 3261 7.1: single blanks, no other white space.
  if (second > first + 1 && second + 8 === lineEnd && text.startsWith('SIP/2.0', second + 1)) {
    const method = text.slice(begin, first);
    if (isToken(method)) {
      const uri = text.slice(first + 1, second);
      return { method, uri, status: 0, reason: '', end: newline + 1, problem: '', problemStatus: 0 };
    }
  }
  return readOddLine(text.slice(begin, lineEnd), newline + 1);
}

function readStatusLine(text: string, begin: number, lineEnd: number, end: number): StartLine | ParseFailure {
  const status = decimalOf(text, begin + 8, begin + 11);
  const separator = text.charCodeAt(begin + 11);
  if (status < 100 || status > 699 || (separator !== 32 && begin + 11 !== lineEnd)) {
    return new ParseFailure(code, 'the status code is none', { isResponse: true });
  }
  // The blank behind the code is missing in the responses of some phones.
  const reason = text.slice(Math.min(begin + 12, lineEnd), lineEnd);
  return { method: '', uri: '', status, reason, end, problem: '', problemStatus: 0 };
}

/** Everything that is not exactly `METHOD URI SIP/2.0`. */
function readOddLine(line: string, end: number): StartLine | ParseFailure {
  const trimmed = sliceTrimmed(line);
  if (/^sip\/\d/i.test(trimmed)) return readOddStatusLine(trimmed, end);
  const last = trimmed.lastIndexOf(' ');
  const version = trimmed.slice(last + 1);
  const first = trimmed.indexOf(' ');
  if (first >= last || version.length > versionCharactersMax || !/^SIP\/\d+\.\d+$/i.test(version)) {
    return new ParseFailure(code, 'the start line is neither a request nor a response');
  }
  const method = trimmed.slice(0, first);
  const uri = trimmed.slice(first + 1, last);
  const refused = (problem: string, problemStatus = 400): StartLine => {
    return { method, uri, status: 0, reason: '', end, problem, problemStatus };
  };
  if (!isToken(method)) return new ParseFailure(code, 'the method is no token');
  // RFC 3261 21.5.6
  if (version.toUpperCase() !== 'SIP/2.0') return refused('Version Not Supported', 505);
  if (trimmed !== line) return refused('Blanks Around the Request Line');
  if (/[ \t]/.test(uri)) return refused('Blank in the Request-URI');
  return refused('');
}

/** RFC 3261 7.1: the version is not case-sensitive. */
function readOddStatusLine(line: string, end: number): StartLine | ParseFailure {
  if (line.slice(0, 8).toUpperCase() === 'SIP/2.0 ') {
    return readStatusLine(`SIP/2.0 ${line.slice(8)}`, 0, line.length, end);
  }
  return new ParseFailure(code, 'a response of another version of SIP', { isResponse: true });
}
