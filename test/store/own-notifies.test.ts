import { describe, expect, it } from 'vitest';
import { OwnNotifies } from '../../src/store/own-notifies.ts';

describe('OwnNotifies', () => {
  it('has a few under way at once, and one more after them for all that came too many', async () => {
    const open: { resolve(): void; reject(error: Error): void }[] = [];
    let sent = 0;
    const notifies = new OwnNotifies(() => {
      sent += 1;
      return new Promise<void>((resolve, reject) => open.push({ resolve, reject }));
    });
    for (let i = 0; i < 100; i += 1) notifies.send();
    expect(sent).toBe(8);
    const settled = notifies.settled();
    open[0]!.reject(new Error('ETIMEDOUT'));
    await new Promise(setImmediate);
    expect(sent).toBe(9);
    for (const { resolve } of open) resolve();
    await settled;
    expect(sent).toBe(9);
    notifies.send();
    expect(sent).toBe(10);
  });
});
