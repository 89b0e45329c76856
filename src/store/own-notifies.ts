/**
 * Sends notifies without waiting for them: a gateway that hangs keeps each of them open until its time is over. Only a few are
 * under way at once; one more follows when more were asked for meanwhile, which tells the same.
 */
const MOST_AT_ONCE = 8;

export class OwnNotifies {
  readonly #notify: () => Promise<unknown>;
  readonly #underWay = new Set<Promise<void>>();
  #more = false;

  /** `notify` sends one and settles when all have answered or the time is over. */
  constructor(notify: () => Promise<unknown>) {
    this.#notify = notify;
  }

  send(): void {
    if (this.#underWay.size >= MOST_AT_ONCE) {
      this.#more = true;
      return;
    }
    // One that fails is no harm: the others look regularly.
    const sent: Promise<void> = this.#notify().then(
      () => this.#ended(sent),
      () => this.#ended(sent),
    );
    this.#underWay.add(sent);
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #ended(sent: Promise<void>): void {
    this.#underWay.delete(sent);
    if (!this.#more) return;
    this.#more = false;
    this.send();
  }
}
