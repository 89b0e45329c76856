/** A process that takes the lock of the directory in its argument, writes the holder's pid and waits to be ended. */
import { StateLock } from '../../src/store/state-lock.ts';

const lock = await StateLock.acquire(process.argv[2]!, 2000);
process.stdout.write(`${lock.holderPid}\n`);
process.stdin.resume();
