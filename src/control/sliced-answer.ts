/**
 * Long answers encoded in slices, with a turn of the event loop between them: a list of 4096 namespaces takes tens of
 * milliseconds, and hosts' commands must not wait behind it. Messages put one behind the other are one message with their
 * lists joined (Protocol Buffers, "Last One Wins").
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** Entries that are encoded in one go: about a millisecond. */
const ENTRIES_PER_SLICE = 64;

type Serialize = (message: object) => Buffer;

/** The service with answers that may be encoded already. */
export function takingEncoded(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const serialize = method.responseSerialize as Serialize;
    const responseSerialize = (answer: object): Buffer =>
      Buffer.isBuffer(answer) ? answer : serialize(answer);
    return [name, { ...method, responseSerialize } as MethodDefinition<object, object>];
  });
  return Object.fromEntries(methods);
}

/** The answer itself when it is short, else its bytes. */
export async function encodeLong(answer: object, serialize: Serialize): Promise<object> {
  const long = Object.entries(answer).find(
    ([, value]) => Array.isArray(value) && value.length > ENTRIES_PER_SLICE,
  );
  if (long === undefined) return answer;
  const [name, list] = long as [string, unknown[]];
  const pieces = [serialize({ ...answer, [name]: [] })];
  for (let at = 0; at < list.length; at += ENTRIES_PER_SLICE) {
    await nextTurn();
    pieces.push(serialize({ [name]: list.slice(at, at + ENTRIES_PER_SLICE) }));
  }
  return Buffer.concat(pieces);
}
