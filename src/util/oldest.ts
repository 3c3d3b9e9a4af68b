/** Tables that are bounded by age: a Map or Set keeps the order in which its keys were added. */

/** Forgets the key that was added first; nothing when there is none. */
export function dropOldest<Key>(table: { keys(): Iterator<Key>; delete(key: Key): boolean }): void {
  const oldest = table.keys().next();
  if (oldest.done !== true) table.delete(oldest.value);
}
