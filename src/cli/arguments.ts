/** Arguments of one command, after yargs: its options by their long names. */

/** The command was typed wrongly; nothing was asked of any gateway. Exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export class CommandArguments {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** Whether the option was given. */
  has(option: string): boolean {
    return this.#values[option] !== undefined;
  }

  /** An option that yargs demands. */
  text(option: string): string {
    const value = this.optionalText(option);
    if (value === undefined) throw new UsageError(`--${option} is missing`);
    return value;
  }

  /** @throws UsageError when it is given empty or more than once */
  optionalText(option: string): string | undefined {
    const value = this.#values[option];
    if (Array.isArray(value)) throw new UsageError(`--${option} is given more than once`);
    if (value === '') throw new UsageError(`--${option} needs a value`);
    return value === undefined ? undefined : String(value);
  }

  /** An option that yargs demands, as an integer. */
  integer(option: string, min: number, max: number): number {
    const value = this.optionalInteger(option, min, max);
    if (value === undefined) throw new UsageError(`--${option} is missing`);
    return value;
  }

  /** @throws UsageError when it is not an integer from `min` to `max` */
  optionalInteger(option: string, min: number, max: number): number | undefined {
    const text = this.optionalText(option);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(`--${option} must be a whole number from ${min} to ${max}, not "${text}"`);
  }

  /** One or more values. */
  list(option: string): string[] {
    const value = this.#values[option];
    const list = Array.isArray(value) ? value.map(String) : [];
    if (list.length === 0 || list.includes('')) throw new UsageError(`--${option} needs a value`);
    return list;
  }

  flag(option: string): boolean {
    return this.#values[option] === true;
  }
}
