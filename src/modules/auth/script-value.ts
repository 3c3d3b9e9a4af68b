/** Reads a variable that a module parameter names: `$avp(name)` or `$var(name)`; others are not known here. */

import { attributeName } from '#module/attribute-name.ts';
import type { MessageContext } from '#module/context.ts';

export type ScriptValueReader = (context: MessageContext) => string | null;

/** Null when the text names neither an AVP nor a script variable. */
export function scriptValueReader(text: string): ScriptValueReader | null {
  const variable = /^\$var\(([^)]+)\)$/.exec(text.trim())?.[1];
  if (variable !== undefined) return (context) => textOf(context.variables?.get(variable));
  if (!/^\$?avp\([^)]+\)$/.test(text.trim())) return null;
  const name = attributeName(text.trim());
  return (context) => textOf(context.attributes.get(name)?.[0]);
}

function textOf(value: string | number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
