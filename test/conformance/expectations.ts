/** What the tests of the suite share: a live host with a clean end, and statuses by name. */
import { expect } from 'vitest';
import { HostController, type HostOptions } from '../initiator/controller.ts';
import type { Completion } from '../initiator/queue.ts';
import { statusName } from '../initiator/status.ts';
import { eventually } from './waiting.ts';
import type { World } from './world.ts';

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

/** Ends a world; expects that no controller, connection or data buffer is left when every host is gone. */
export async function stopClean(world: World): Promise<void> {
  const { control } = world;
  if (control) {
    await eventually('every controller to be gone', () => control.controllerCount() === 0);
    await eventually('every connection to be gone', () => control.connectionCount() === 0);
    expect(control.borrowedBytes(), 'data buffers still borrowed').toBe(0);
  }
  await world.stop();
}
