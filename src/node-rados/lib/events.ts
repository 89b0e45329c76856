/** Events that Ceph sends unasked (notifies, broken watches, image updates), by the number that their watcher was given. */

type EventHandler = (...rest: never[]) => void;

const handlers = new Map<number, EventHandler>();
let lastWatcher = 0;

/** Gives the handler a number for the addon. */
export function addWatcher(handler: EventHandler): number {
  lastWatcher += 1;
  handlers.set(lastWatcher, handler);
  return lastWatcher;
}

export function removeWatcher(watcher: number): void {
  handlers.delete(watcher);
}

/** Called by the addon; events of a watcher that is gone are dropped. */
export function dispatchEvent(watcher: number, ...rest: never[]): void {
  handlers.get(watcher)?.(...rest);
}
