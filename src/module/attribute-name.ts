/** How scripts name an AVP in module parameters and function arguments. */

/** `$avp(name)`, `$avp(s:name)`, `avp(name)` or the bare name → `name`. */
export function attributeName(text: string): string {
  const open = text.indexOf('(');
  const inner = open !== -1 && text.endsWith(')') ? text.slice(open + 1, -1) : text.replace(/^\$/, '');
  return bareAttributeName(inner.trim());
}

/** OpenSIPS before 2.0 wrote the kind of the name in front: `s:name`, `i:5`. */
export function bareAttributeName(name: string): string {
  return name.charCodeAt(1) === 58 && (name[0] === 's' || name[0] === 'i') ? name.slice(2) : name;
}
