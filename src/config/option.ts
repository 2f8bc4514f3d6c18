// What an option is: its types, and the makers that the table in options.ts is written with.
// Pure; belongs to no thread. Each maker takes the facts and returns a template tag that takes
// the description, so that a row of the table reads as `integer({ … })` followed by its text.
// Every field is always present.

export type Unit = "bytes" | "s" | "ms" | "pages" | "events";

/** What the text of a string, or of each item of a list, has to look like. */
export type Form =
  | "any"
  | "filled"
  | "header"
  | "pubkey"
  | "network"
  | "relay"
  | "kinds"
  | "kind-number"
  | "json"
  | "socks";

interface OptionFacts {
  readonly reloadable: boolean;
  readonly description: string;
}

export interface IntegerOption extends OptionFacts {
  readonly type: "integer";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit: Unit | null;
}

export interface StringOption extends OptionFacts {
  readonly type: "string";
  readonly default: string;
  readonly form: Form;
}

export interface BooleanOption extends OptionFacts {
  readonly type: "boolean";
  readonly default: boolean;
}

export interface ChoiceOption<C extends string = string> extends OptionFacts {
  readonly type: "choice";
  readonly default: C;
  readonly choices: readonly C[];
}

export interface ListOption extends OptionFacts {
  readonly type: "list";
  readonly default: readonly string[];
  readonly form: Form;
}

export type Option = IntegerOption | StringOption | BooleanOption | ChoiceOption | ListOption;
export type OptionTable = Readonly<Record<string, Option>>;
export type OptionValue = number | string | boolean | readonly string[];

/** The type of the value that an option of type O takes. */
export type ValueOf<O extends Option> = O extends IntegerOption
  ? number
  : O extends BooleanOption
    ? boolean
    : O extends ChoiceOption<infer C>
      ? C
      : O extends StringOption
        ? string
        : readonly string[];

type Describe<O> = (text: TemplateStringsArray) => O;

export function integer(facts: {
  default: number;
  min: number;
  max: number;
  unit?: Unit;
  reloadable?: boolean;
}): Describe<IntegerOption> {
  const { unit = null, reloadable = false } = facts;
  return (text) => ({ ...facts, type: "integer", unit, reloadable, description: unwrap(text) });
}

export function string(facts: {
  default: string;
  form?: Form;
  reloadable?: boolean;
}): Describe<StringOption> {
  const { form = "any", reloadable = false } = facts;
  return (text) => ({ ...facts, type: "string", form, reloadable, description: unwrap(text) });
}

export function boolean(facts: {
  default: boolean;
  reloadable?: boolean;
}): Describe<BooleanOption> {
  const { reloadable = false } = facts;
  return (text) => ({ ...facts, type: "boolean", reloadable, description: unwrap(text) });
}

export function choice<const C extends string>(facts: {
  default: NoInfer<C>;
  choices: readonly C[];
  reloadable?: boolean;
}): Describe<ChoiceOption<C>> {
  const { reloadable = false } = facts;
  return (text) => ({ ...facts, type: "choice", reloadable, description: unwrap(text) });
}

export function list(facts: {
  default: readonly string[];
  form?: Form;
  reloadable?: boolean;
}): Describe<ListOption> {
  const { form = "any", reloadable = false } = facts;
  return (text) => ({ ...facts, type: "list", form, reloadable, description: unwrap(text) });
}

/** One line of text from a template that is wrapped and indented in the source. */
function unwrap(text: TemplateStringsArray): string {
  return text.join("").replace(/\s+/g, " ").trim();
}
