/**
 * Broken invariants. An assertion says "this program is wrong", never "this input is wrong": bad input is a
 * {@link Failure} value. Whoever runs one transaction, one link or one script catches the error, ends that one thing
 * and counts it.
 */

export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';
}

/** Throws {@link InvariantBroken} with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantBroken(message);
}
