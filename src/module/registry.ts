/** The modules of one script: which are loaded, their parameters, and what they offer the compiler. */

import type { MessageContext } from '#module/context.ts';
import type { ModuleDeclaration, ParameterDeclaration, ParameterValues } from '#module/define.ts';
import type { Compilation } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type {
  Found,
  FunctionShape,
  InstanceHolder,
  ScriptEnvironment,
  ScriptFrame,
  VariableShape,
} from '#script/environment.ts';
import { posixExpression } from '#script/posix-expression.ts';
import type { Token } from '#script/scanner.ts';
import type { LoadModule, SetParameter } from '#script/syntax.ts';
import type { Value } from '#script/value.ts';

interface Loaded {
  readonly declaration: ModuleDeclaration;
  /** Where the script loads it; null for the core. */
  readonly at: Token | null;
  readonly holder: InstanceHolder;
  readonly values: Record<string, number | string | null | (number | string)[]>;
}

type Complaints = Pick<Compilation, 'complain' | 'complainUnknown' | 'warn' | 'options'>;

/** Always there, whether the script loads it or not. */
const coreName = 'core';

export class ModuleRegistry implements ScriptEnvironment {
  readonly #known: readonly ModuleDeclaration[];
  readonly #loaded = new Map<string, Loaded>();
  #onBroken: (error: unknown) => void = () => {};
  readonly #functions = new Map<string, Found<FunctionShape>>();
  readonly #variables = new Map<string, Found<VariableShape>>();
  readonly #transformations = new Map<string, (value: Value, args: readonly Value[]) => Value>();

  constructor(known: readonly ModuleDeclaration[]) {
    this.#known = known;
    const core = known.find((declaration) => declaration.name === coreName);
    if (core !== undefined) this.#add(core, null);
  }

  load(step: LoadModule, complaints: Complaints): void {
    const name = moduleName(step.name);
    const declaration = this.#declared(name);
    if (declaration === null) {
      const names = this.#known.flatMap((known) => [known.name, ...(known.aliases ?? [])]);
      complaints.complainUnknown(
        step.at,
        `there is no module "${name}"${suggestion(name, names)}`,
        step.name,
      );
      return;
    }
    if (!this.#loaded.has(declaration.name)) this.#add(declaration, step.at);
  }

  /** OpenSIPS's rule: the first argument is an alternation that must match whole names of modules loaded before. */
  setParameter(step: SetParameter, complaints: Complaints): void {
    const { modules } = step;
    const pattern = posixExpression(`^(${modules.text})$`);
    if (pattern === null) {
      complaints.complain(modules, `"${modules.text}" is no regular expression`);
      return;
    }
    const targets = [...this.#loaded.values()].filter(({ declaration }) =>
      namesOf(declaration).some((name) => pattern.test(name)),
    );
    if (targets.length === 0) {
      const exists = this.#known.some((known) => namesOf(known).some((name) => pattern.test(name)));
      const hint = exists
        ? `: loadmodule "${modules.text}.so" must stand before`
        : suggestion(modules.text, this.#loaded.keys());
      complaints.complainUnknown(modules, `the module "${modules.text}" is not loaded${hint}`);
      return;
    }
    for (const target of targets) setOne(target, step, complaints);
  }

  /** In creation order: those that others need come first. Unmet needs are complained about. */
  ordered(complaints: Complaints): { declaration: ModuleDeclaration; parameters: ParameterValues }[] {
    const result: { declaration: ModuleDeclaration; parameters: ParameterValues }[] = [];
    const done = new Set<string>();
    const add = (loaded: Loaded): void => {
      const { declaration, values, at } = loaded;
      if (done.has(declaration.name)) return;
      done.add(declaration.name);
      for (const need of declaration.needs ?? []) {
        const other = this.#loaded.get(need);
        if (other !== undefined) add(other);
        else if (at !== null)
          complaints.complain(at, `the module "${declaration.name}" needs loadmodule "${need}.so"`);
      }
      result.push({ declaration, parameters: values });
    };
    for (const loaded of this.#loaded.values()) add(loaded);
    return result;
  }

  bind(instances: ReadonlyMap<string, unknown>, onBroken: (error: unknown) => void): void {
    this.#onBroken = onBroken;
    for (const [name, loaded] of this.#loaded) loaded.holder.instance = instances.get(name);
  }

  // ── ScriptEnvironment ─────────────────────────────────────────────────────────────────────────────────────────

  findFunction(name: string): Found<FunctionShape> | null {
    return this.#functions.get(name) ?? null;
  }

  findVariable(name: string): Found<VariableShape> | null {
    return this.#variables.get(name) ?? null;
  }

  findTransformation(name: string): ((value: Value, args: readonly Value[]) => Value) | null {
    return this.#transformations.get(name) ?? null;
  }

  unloadedOwner(kind: 'function' | 'variable' | 'transformation', name: string): string | null {
    const owner = this.#known.find(
      (declaration) => !this.#loaded.has(declaration.name) && offers(declaration, kind, name),
    );
    return owner?.name ?? null;
  }

  otherMessage(frame: ScriptFrame, which: 'request' | 'reply'): ScriptFrame | null {
    const context = frame as ScriptFrame &
      Pick<MessageContext, 'message' | 'request' | 'reply' | 'source' | 'requestSource'>;
    const message = context[which];
    if (message === null) return null;
    if (message === context.message) return frame;
    // All the rest is read through the original; variables are only read by it.
    const source = which === 'request' ? context.requestSource : context.source;
    return Object.create(frame, { message: { value: message }, source: { value: source } }) as ScriptFrame;
  }

  reportBroken(error: unknown): void {
    this.#onBroken(error);
  }

  names(kind: 'function' | 'variable' | 'transformation'): Iterable<string> {
    if (kind === 'function') return this.#functions.keys();
    return kind === 'variable' ? this.#variables.keys() : this.#transformations.keys();
  }

  // ── loading ───────────────────────────────────────────────────────────────────────────────────────────────────

  #add(declaration: ModuleDeclaration, at: Token | null): void {
    const holder: InstanceHolder = { instance: null };
    const values: Loaded['values'] = {};
    for (const parameter of declaration.parameters ?? []) {
      values[parameter.name] = parameter.repeatable === true ? [] : parameter.default;
    }
    this.#loaded.set(declaration.name, { declaration, at, holder, values });
    for (const shape of declaration.functions ?? []) {
      this.#functions.set(shape.name, { shape: shape as unknown as FunctionShape, holder });
    }
    for (const shape of declaration.variables ?? []) {
      for (const name of shape.names)
        this.#variables.set(name, { shape: shape as unknown as VariableShape, holder });
    }
    for (const transformation of declaration.transformations ?? []) {
      this.#transformations.set(transformation.name, transformation.apply);
    }
  }

  #declared(name: string): ModuleDeclaration | null {
    return this.#known.find((known) => known.name === name || known.aliases?.includes(name)) ?? null;
  }
}

function namesOf(declaration: ModuleDeclaration): readonly string[] {
  return [declaration.name, ...(declaration.aliases ?? [])];
}

function offers(
  declaration: ModuleDeclaration,
  kind: 'function' | 'variable' | 'transformation',
  name: string,
): boolean {
  if (kind === 'function') return (declaration.functions ?? []).some((offered) => offered.name === name);
  if (kind === 'variable')
    return (declaration.variables ?? []).some((offered) => offered.names.includes(name));
  return (declaration.transformations ?? []).some((offered) => offered.name === name);
}

function setOne(target: Loaded, step: SetParameter, complaints: Complaints): void {
  const { declaration, values } = target;
  const all = declaration.parameters ?? [];
  const wanted = step.name.text;
  const declared = all.find((parameter) => parameter.name === wanted || parameter.aliases?.includes(wanted));
  if (declared === undefined) {
    const names = all.flatMap((parameter) => [parameter.name, ...(parameter.aliases ?? [])]);
    complaints.complainUnknown(
      step.name,
      `${declaration.name} has no parameter "${wanted}"${suggestion(wanted, names)}`,
    );
    return;
  }
  const value = convert(declared, step, complaints);
  if (value === null) return;
  const list = values[declared.name];
  if (declared.repeatable === true && Array.isArray(list)) list.push(value);
  else values[declared.name] = value;
}

/** The value as the declaration wants it; null after a complaint. Lenient scripts may write "10" for 10. */
function convert(
  declared: ParameterDeclaration,
  step: SetParameter,
  complaints: Complaints,
): string | number | null {
  const { value, valueAt } = step;
  if (typeof value === (declared.kind === 'integer' ? 'number' : 'string')) return value;
  if (declared.isFlag === true) return String(value);
  const cause = `${declared.name} must be ${declared.kind === 'integer' ? 'a number' : 'a text in quotes'}`;
  const converted = declared.kind === 'string' ? String(value) : Number(value);
  if (!complaints.options.isLenient || Number.isNaN(converted)) {
    complaints.complain(valueAt, cause);
    return null;
  }
  complaints.warn(valueAt, cause);
  return converted;
}

/** `tm.so`, `/usr/lib/opensips/modules/tm.so` → `tm`. */
function moduleName(text: string): string {
  return text.slice(text.lastIndexOf('/') + 1).replace(/\.so$/, '');
}
