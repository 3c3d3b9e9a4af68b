/** The kinds of calls: which scenario plays the caller, which the callee, and whom is called. */

export interface CallKind {
  readonly name: string;
  readonly caller: string;
  readonly callee: string;
  /** User that the caller calls. */
  readonly user: string;
  /** The callee has to register first. */
  readonly registered: boolean;
}

const kind = (name: string, caller: string, callee: string): CallKind => ({
  name,
  caller,
  callee,
  user: 'uas',
  registered: false,
});

export const plainCall = kind('plain', 'caller-plain', 'callee-plain');

export const callKinds: readonly CallKind[] = [
  plainCall,
  kind('cancelled', 'caller-cancel', 'callee-cancel'),
  kind('rejected', 'caller-reject', 'callee-reject'),
  kind('re-INVITE', 'caller-reinvite', 'callee-reinvite'),
  kind('callee ends', 'caller-ended', 'callee-ends'),
  { ...kind('registered', 'caller-plain', 'callee-plain'), user: 'bob', registered: true },
];
