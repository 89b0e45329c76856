/** Small things that every conformance test needs. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import { HostController, type HostOptions } from '../initiator/controller.ts';
import type { Completion } from '../initiator/queue.ts';
import { statusName } from '../initiator/status.ts';
import type { World } from './world.ts';

/** Bytes that differ per seed and position. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export function digestOf(data: Uint8Array): string {
  return createHash('sha1').update(data).digest('hex');
}

/** Runs `body` with a live controller, then shuts it down and expects that the target broke no rule. */
export async function withHost<T>(
  world: World,
  options: Partial<HostOptions>,
  body: (host: HostController) => Promise<T>,
): Promise<T> {
  const host = await HostController.connect({ ...world.a, subnqn: world.subnqn, ...options });
  try {
    const result = await body(host);
    expect(host.violations).toEqual([]);
    return result;
  } finally {
    if (host.admin.closed) await host.drop();
    else await host.shutdown().catch(() => host.drop());
  }
}

/** Expects one of the given status codes, with its name in the message. */
export function expectStatus(completion: Completion, ...codes: number[]): void {
  const wanted = codes.map(statusName).join(' or ');
  expect(codes, `got ${statusName(completion.status)}, wanted ${wanted}`).toContain(completion.status);
}

let collect: (() => void) | null = null;

/** Runs the garbage collector to the end. */
export function collectGarbage(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  collect();
}

/** Bytes that live JavaScript objects and buffers take, after collecting garbage. */
export function liveBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Waits until `probe` says yes; polls, because the other side of a socket gives no event for everything. */
export async function eventually(
  what: string,
  probe: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Rejects when `promise` takes longer than `limitMs`. */
export async function within<T>(what: string, promise: Promise<T>, limitMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Numbers from a seed: xorshift32, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** 0 .. limit - 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}
