/**
 * A walk through a JSON text (RFC 8259) member by member, so that one of many megabytes need not be read in one go: `JSON.parse` of each
 * piece does the work, the walk only finds where it ends.
 */

/** What is wrong, and where. */
export class JsonWalkError extends Error {}

export class JsonWalk {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Whether an object begins here. */
  get isObject(): boolean {
    this.#skipSpace();
    return this.#text[this.#at] === '{';
  }

  /** The names of the object that begins here; at each, its value has to be taken: by {@link value}, or by members of its own. */
  *members(): Generator<string> {
    this.#take('{', 'an object');
    if (this.#has('}')) return;
    do {
      this.#skipSpace();
      const name = this.#text[this.#at] === '"' ? this.value() : undefined;
      if (typeof name !== 'string') throw this.#wrong('a name in quotes is missing');
      this.#take(':', '":"');
      yield name;
    } while (this.#has(','));
    this.#take('}', '"," or "}"');
  }

  /** The value that begins here. */
  value(): unknown {
    this.#skipSpace();
    const from = this.#at;
    this.#skipValue();
    try {
      return JSON.parse(this.#text.slice(from, this.#at)) as unknown;
    } catch (error) {
      this.#at = from;
      throw this.#wrong((error as Error).message);
    }
  }

  /** Throws unless the text ends here. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#wrong('something follows after the end');
  }

  #skipValue(): void {
    let depth = 0;
    do {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.#wrong('it ends too early');
      if (char === '"') this.#skipText();
      else if (char === '{' || char === '[') {
        depth += 1;
        this.#at += 1;
      } else if (depth > 0) {
        if (char === '}' || char === ']') depth -= 1;
        this.#at += 1;
      } else this.#skipWord();
    } while (depth > 0);
  }

  /** A number, true, false, null, or what is none of them. */
  #skipWord(): void {
    const word = /[^\s,:{}[\]"]*/y;
    word.lastIndex = this.#at;
    const length = word.exec(this.#text)![0].length;
    if (length === 0) throw this.#wrong(`a value is missing before "${this.#text[this.#at]}"`);
    this.#at += length;
  }

  #skipText(): void {
    let end = this.#at;
    let isEscaped: boolean;
    do {
      end = this.#text.indexOf('"', end + 1);
      if (end < 0) throw this.#wrong('a text does not end');
      let backslashes = 0;
      while (this.#text[end - 1 - backslashes] === '\\') backslashes += 1;
      isEscaped = backslashes % 2 === 1;
    } while (isEscaped);
    this.#at = end + 1;
  }

  #skipSpace(): void {
    const space = /[ \t\r\n]*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)![0].length;
  }

  #has(char: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #take(char: string, what: string): void {
    if (!this.#has(char)) throw this.#wrong(`${what} is missing`);
  }

  #wrong(reason: string): JsonWalkError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    return new JsonWalkError(`line ${line}, column ${this.#at - before.lastIndexOf('\n')}: ${reason}`);
  }
}
