/** The modules of one script: which are loaded, their parameters, and what they offer the compiler. */

import type { ModuleDeclaration, ParameterDeclaration, ParameterValues } from '#module/define.ts';
import type { Compilation } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type {
  Found,
  FunctionShape,
  InstanceHolder,
  ScriptEnvironment,
  VariableShape,
} from '#script/environment.ts';
import type { LoadModule, SetParameter } from '#script/syntax.ts';
import type { Value } from '#script/value.ts';

interface Loaded {
  readonly declaration: ModuleDeclaration;
  readonly holder: InstanceHolder;
  readonly values: Record<string, number | string | null | (number | string)[]>;
}

type Complain = Pick<Compilation, 'complain'>;

/** Always there, whether the script loads it or not. */
const coreName = 'core';

export class ModuleRegistry implements ScriptEnvironment {
  readonly #known: readonly ModuleDeclaration[];
  readonly #loaded = new Map<string, Loaded>();
  readonly #functions = new Map<string, Found<FunctionShape>>();
  readonly #variables = new Map<string, Found<VariableShape>>();
  readonly #transformations = new Map<string, (value: Value, args: readonly Value[]) => Value>();

  constructor(known: readonly ModuleDeclaration[]) {
    this.#known = known;
    const core = known.find((declaration) => declaration.name === coreName);
    if (core !== undefined) this.#add(core);
  }

  load(step: LoadModule, complain: Complain): void {
    const name = moduleName(step.name);
    const declaration = this.#declared(name);
    if (declaration === null) {
      const names = this.#known.flatMap((known) => [known.name, ...(known.aliases ?? [])]);
      complain.complain(step.at, `there is no module "${name}"${suggestion(name, names)}`);
      return;
    }
    if (!this.#loaded.has(declaration.name)) this.#add(declaration);
  }

  /** RFC-less OpenSIPS rule: the first argument is an alternation that must match whole names of loaded modules. */
  setParameter(step: SetParameter, complain: Complain): void {
    const targets = this.#matching(step.modules);
    if (targets.length === 0) {
      const known = this.#declared(step.modules);
      const hint =
        known === null ? suggestion(step.modules, this.#loaded.keys()) : ': loadmodule must stand before';
      complain.complain(step.at, `modparam: the module "${step.modules}" is not loaded${hint}`);
      return;
    }
    for (const target of targets) this.#setOne(target, step, complain);
  }

  /** In creation order: those that others need come first. Unmet needs are complained about. */
  ordered(
    complain: (cause: string) => void,
  ): { declaration: ModuleDeclaration; parameters: ParameterValues }[] {
    const result: { declaration: ModuleDeclaration; parameters: ParameterValues }[] = [];
    const done = new Set<string>();
    const add = (loaded: Loaded): void => {
      const { declaration, values } = loaded;
      if (done.has(declaration.name)) return;
      done.add(declaration.name);
      for (const need of declaration.needs ?? []) {
        const other = this.#loaded.get(need);
        if (other !== undefined) add(other);
        else complain(`the module "${declaration.name}" needs loadmodule "${need}.so"`);
      }
      result.push({ declaration, parameters: values });
    };
    for (const loaded of this.#loaded.values()) add(loaded);
    return result;
  }

  bind(instances: ReadonlyMap<string, unknown>): void {
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

  unloadedOwner(kind: 'function' | 'variable', name: string): string | null {
    for (const declaration of this.#known) {
      if (this.#loaded.has(declaration.name)) continue;
      const offers =
        kind === 'function'
          ? (declaration.functions ?? []).some((offered) => offered.name === name)
          : (declaration.variables ?? []).some((offered) => offered.names.includes(name));
      if (offers) return declaration.name;
    }
    return null;
  }

  names(kind: 'function' | 'variable' | 'transformation'): Iterable<string> {
    if (kind === 'function') return this.#functions.keys();
    return kind === 'variable' ? this.#variables.keys() : this.#transformations.keys();
  }

  // ── loading ───────────────────────────────────────────────────────────────────────────────────────────────────

  #add(declaration: ModuleDeclaration): void {
    const holder: InstanceHolder = { instance: null };
    const values: Loaded['values'] = {};
    for (const parameter of declaration.parameters ?? []) {
      values[parameter.name] = parameter.repeatable === true ? [] : parameter.default;
    }
    this.#loaded.set(declaration.name, { declaration, holder, values });
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

  #matching(modules: string): Loaded[] {
    let pattern: RegExp;
    try {
      pattern = new RegExp(`^(?:${modules})$`, 'i');
    } catch {
      return [];
    }
    return [...this.#loaded.values()].filter(({ declaration }) =>
      [declaration.name, ...(declaration.aliases ?? [])].some((name) => pattern.test(name)),
    );
  }

  #setOne(target: Loaded, step: SetParameter, complain: Complain): void {
    const { declaration, values } = target;
    const declared = (declaration.parameters ?? []).find(
      (parameter) => parameter.name === step.name || parameter.aliases?.includes(step.name),
    );
    if (declared === undefined) {
      const names = (declaration.parameters ?? []).flatMap((parameter) => [
        parameter.name,
        ...(parameter.aliases ?? []),
      ]);
      complain.complain(
        step.at,
        `${declaration.name} has no parameter "${step.name}"${suggestion(step.name, names)}`,
      );
      return;
    }
    const value = convert(declared, step.value);
    if (value === null) {
      const wanted = declared.kind === 'integer' ? 'a number' : 'a string';
      complain.complain(step.at, `${declaration.name}: ${step.name} must be ${wanted}`);
      return;
    }
    const list = values[declared.name];
    if (declared.repeatable === true && Array.isArray(list)) list.push(value);
    else values[declared.name] = value;
  }
}

function convert(declared: ParameterDeclaration, value: string | number): string | number | null {
  if (declared.kind === 'integer') return typeof value === 'number' ? value : null;
  return typeof value === 'string' ? value : null;
}

/** `tm.so`, `/usr/lib/opensips/modules/tm.so` → `tm`. */
function moduleName(text: string): string {
  return text.slice(text.lastIndexOf('/') + 1).replace(/\.so$/, '');
}
