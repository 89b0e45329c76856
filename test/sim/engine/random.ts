/** Numbers that look random and are the same for the same seed, on every machine. */

/** xoshiro128**, seeded by splitmix32. */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    let z = seed >>> 0;
    this.#state = Uint32Array.from({ length: 4 }, () => {
      z = (z + 0x9e37_79b9) >>> 0;
      let x = z ^ (z >>> 16);
      x = Math.imul(x, 0x21f0_aaad);
      x ^= x >>> 15;
      x = Math.imul(x, 0x735a_2d97);
      return (x ^ (x >>> 15)) >>> 0;
    });
  }

  /** Another sequence, which depends on this one's seed and on nothing that is drawn from this one later. */
  fork(): Random {
    return new Random(this.#bits());
  }

  /** 0 <= x < 1. */
  next(): number {
    return this.#bits() / 0x1_0000_0000;
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Waiting times of events that come at any moment. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  }

  #bits(): number {
    const s = this.#state;
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11);
    return result;
  }
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
