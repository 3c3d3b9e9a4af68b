/** The syntax tree of a script. Every node knows the token it began with. */

import type { Token } from '#script/scanner.ts';

export interface Script {
  readonly globals: readonly GlobalAssignment[];
  readonly steps: readonly (LoadModule | SetParameter)[];
  readonly routes: readonly RouteBlock[];
}

export interface GlobalAssignment {
  readonly name: Token;
  /** Where the value begins. */
  readonly at: Token;
  /** Rest of the line for sockets and aliases. */
  readonly value: string;
  /** The number that the value is, null for text. */
  readonly number: number | null;
}

export interface LoadModule {
  readonly kind: 'load';
  readonly at: Token;
  readonly name: string;
}

export interface SetParameter {
  readonly kind: 'parameter';
  /** A regular expression that whole names of modules match. */
  readonly modules: Token;
  readonly name: Token;
  readonly value: string | number;
  readonly valueAt: Token;
}

export interface RouteBlock {
  readonly at: Token;
  /** `route`, `branch_route`… */
  readonly kind: string;
  readonly name: string;
  /** Seconds of a timer route, else 0. */
  readonly interval: number;
  readonly body: readonly Statement[];
}

export type Statement =
  | { readonly kind: 'block'; readonly body: readonly Statement[] }
  | {
      readonly kind: 'if';
      readonly test: Expression;
      readonly consequence: Statement;
      readonly otherwise: Statement | null;
    }
  | { readonly kind: 'while'; readonly test: Expression; readonly body: Statement }
  | { readonly kind: 'for'; readonly item: Token; readonly list: Token; readonly body: Statement }
  | { readonly kind: 'switch'; readonly subject: Token; readonly cases: readonly SwitchCase[] }
  | { readonly kind: 'assign'; readonly target: Token; readonly operator: Token; readonly value: Expression }
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'async'; readonly at: Token; readonly call: Call; readonly resume: Argument }
  | {
      readonly kind: 'launch';
      readonly at: Token;
      readonly call: Call;
      readonly report: Argument;
      readonly parameter: Argument;
    }
  | { readonly kind: 'assert'; readonly test: Expression; readonly message: string }
  | { readonly kind: 'return'; readonly values: readonly Expression[] }
  | { readonly kind: 'break' | 'exit' | 'drop'; readonly at: Token };

export interface SwitchCase {
  /** Null: default. */
  readonly label: string | number | null;
  readonly at: Token;
  readonly body: readonly Statement[];
}

export interface Call {
  readonly name: Token;
  readonly arguments: readonly Argument[];
}

/** One argument: `text` of a literal, or a variable. Absent ones (`f(a,,b)`) are null. */
export type Argument = {
  readonly at: Token;
  readonly kind: 'string' | 'number' | 'variable' | 'bare';
  readonly text: string;
} | null;

export type Expression =
  | {
      readonly kind: 'binary';
      readonly operator: Token;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'not' | 'complement' | 'group'; readonly operand: Expression; readonly at: Token }
  | { readonly kind: 'variable' | 'string' | 'number' | 'address' | 'null'; readonly token: Token }
  | { readonly kind: 'assign'; readonly target: Token; readonly operator: Token; readonly value: Expression }
  | { readonly kind: 'call'; readonly call: Call }
  | OldComparison;

/** `method=="INVITE"`, `src_ip==myself`: left sides of OpenSIPS up to 2.3, which later versions write as variables. */
export interface OldComparison {
  readonly kind: 'old';
  readonly name: string;
  readonly at: Token;
  readonly operator: Token;
  readonly right: Token;
}
