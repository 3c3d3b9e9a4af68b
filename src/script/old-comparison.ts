/**
 * `uri==myself`, `method=="INVITE"`: what OpenSIPS up to 2.3 compared, one script in four still does. Lenient scripts
 * get the variable that says the same; strict ones are told which it is.
 */

import type { Compilation } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type { Token } from '#script/scanner.ts';
import type { Expression, OldComparison } from '#script/syntax.ts';

const variables: Readonly<Record<string, string>> = {
  method: '$rm',
  uri: '$ru',
  from_uri: '$fu',
  to_uri: '$tu',
  src_ip: '$si',
  src_port: '$sp',
  dst_ip: '$socket_in(ip)',
  dst_port: '$socket_in(port)',
  proto: '$socket_in(proto)',
  af: '$af',
  'msg:len': '$ml',
  status: '$rs',
};

/** Whose host `==myself` is about. */
const hosts: Readonly<Record<string, string>> = {
  uri: '$rd',
  from_uri: '$fd',
  to_uri: '$td',
  src_ip: '$si',
  dst_ip: '$socket_in(ip)',
};

/** The comparison in today's words; null after a complaint. */
export function modernComparison(compilation: Compilation, old: OldComparison): Expression | null {
  const variable = variables[old.name];
  if (variable === undefined) {
    const hint = suggestion(old.name, Object.keys(variables));
    compilation.complain(old.at, `"${old.name}" cannot be compared: only a variable can${hint}`);
    return null;
  }
  const isMyself = old.right.kind === 'identifier' && old.right.text === 'myself';
  const host = hosts[old.name];
  const modern = isMyself && host !== undefined ? `is_myself("${host}")` : variable;
  if (!compilation.options.isLenient) {
    compilation.complain(old.at, `"${old.name}" is of OpenSIPS 2.3 and older: write ${modern}`);
    return null;
  }
  if (isMyself) return isMyselfCall(compilation, old, host);
  const left: Expression = { kind: 'variable', token: { ...old.at, kind: 'variable', text: variable } };
  return { kind: 'binary', operator: old.operator, left, right: rightSide(old.right) };
}

function isMyselfCall(
  compilation: Compilation,
  old: OldComparison,
  host: string | undefined,
): Expression | null {
  if (host === undefined || !['==', '!='].includes(old.operator.text)) {
    compilation.complain(old.at, `"${old.name}" cannot be compared with myself`);
    return null;
  }
  const name: Token = { ...old.at, text: 'is_myself' };
  const argument = { at: old.at, kind: 'variable', text: host } as const;
  const call: Expression = { kind: 'call', call: { name, arguments: [argument] } };
  return old.operator.text === '==' ? call : { kind: 'not', operand: call, at: old.at };
}

/** `proto==UDP`, `af==inet`: words are texts here. */
function rightSide(token: Token): Expression {
  if (token.kind === 'identifier') return { kind: 'string', token: { ...token, kind: 'string' } };
  return { kind: token.kind as 'string' | 'number' | 'variable' | 'address', token };
}
