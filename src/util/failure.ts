/**
 * Expected failures, as values. Returning one costs some 50 ns, throwing an Error a hundred times that, and a
 * return type that names it cannot be forgotten by the caller.
 */

export class Failure {
  /** `LAYER_NOUN_PROBLEM`; every code stands in docs/errors.md. */
  readonly code: string;
  /** One sentence for the operator: the cause and the place. */
  readonly message: string;

  constructor(code: string, message: string) {
    this.code = code;
    this.message = message;
  }
}

export function isFailure(value: unknown): value is Failure {
  return value instanceof Failure;
}
