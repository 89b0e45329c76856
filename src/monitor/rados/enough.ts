/** What is done on several objects at once, so that those that do not answer are not missed. */

/** More than half of `count`: any two majorities have one in common. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Says that the client is fenced: no other answer matters. */
export function isFence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EBLOCKLISTED';
}

/**
 * Resolves once `needed` of `works` have. Rejects when so many cannot any more, with the last failure, or at once when one says
 * EBLOCKLISTED.
 */
export function enough(works: readonly Promise<unknown>[], needed: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = 0;
    let failed = 0;
    const succeed = () => {
      done += 1;
      if (done >= needed) resolve();
    };
    const fail = (error: Error) => {
      failed += 1;
      if (isFence(error) || failed > works.length - needed) reject(error);
    };
    for (const work of works) work.then(succeed, fail);
  });
}
