/** `pv_www_authorize` and `pv_proxy_authorize`: the name and the password, or its hash, stand in script variables. */

import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { CredentialOwner, PasswordAnswer } from '#module/services.ts';
import { type ScriptValueReader, scriptValueReader } from '#modules/auth/script-value.ts';
import { messageText, userHash } from '#sip/digest.ts';
import { Failure } from '#util/failure.ts';

export class ScriptPasswords {
  readonly #username: ScriptValueReader | null;
  readonly #password: ScriptValueReader | null;
  readonly #isPlain: boolean;

  private constructor(
    username: ScriptValueReader | null,
    password: ScriptValueReader | null,
    isPlain: boolean,
  ) {
    this.#username = username;
    this.#password = password;
    this.#isPlain = isPlain;
  }

  /** Failure MODULE_VARIABLE_INVALID when a parameter names no variable that can be read. */
  static create(parameters: ParameterValues): ScriptPasswords | Failure {
    const readers: (ScriptValueReader | null)[] = [];
    for (const name of ['username_spec', 'password_spec']) {
      const text = parameters[name];
      const reader = text === null || text === undefined ? null : scriptValueReader(String(text));
      if (typeof text === 'string' && reader === null)
        return new Failure(
          'MODULE_VARIABLE_INVALID',
          `${name} must be $avp(name) or $var(name), not ${text}`,
        );
      readers.push(reader);
    }
    return new ScriptPasswords(readers[0]!, readers[1]!, parameters.calculate_ha1 !== 0);
  }

  get isConfigured(): boolean {
    return this.#username !== null && this.#password !== null;
  }

  find(context: MessageContext, owner: CredentialOwner): PasswordAnswer {
    const username = this.#username?.(context) ?? null;
    const password = this.#password?.(context) ?? null;
    if (username === null || password === null) return null;
    if (messageText(username) !== owner.sentName && username !== owner.sentName) return null;
    const ha1 = this.#isPlain
      ? userHash(owner.hash, owner.sentName, owner.realm, messageText(password))
      : password;
    return { ha1, reread: null, accept: () => {} };
  }
}
