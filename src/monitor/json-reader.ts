/** Reads values out of parsed JSON, field by field: each has its type, or the place and the fault are named. */

/** Returns the value with its type, or throws an Error saying what is wrong with `place`. */
export type Reader<T> = (value: unknown, place: string) => T;

export const text: Reader<string> = (value, place) =>
  typeof value === 'string' ? value : fail(place, 'a string', value);

export const flag: Reader<boolean> = (value, place) =>
  typeof value === 'boolean' ? value : fail(place, 'true or false', value);

/** A number that is not negative. */
export const amount: Reader<number> = (value, place) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? value
    : fail(place, 'a number from 0 on', value);

/** A whole number from 0 on. */
export const whole: Reader<number> = (value, place) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : fail(place, 'a whole number from 0 on', value);

export function oneOf<const T extends string>(...words: readonly T[]): Reader<T> {
  return (value, place) =>
    words.includes(value as T) ? (value as T) : fail(place, `one of ${words.join(', ')}`, value);
}

export function orNull<T>(read: Reader<T>): Reader<T | null> {
  return (value, place) => (value === null ? null : read(value, place));
}

/** For a field that may be missing, and is left out then. */
export function optional<T>(read: Reader<T>): Reader<T> {
  return (value, place) => (value === undefined ? (undefined as T) : read(value, place));
}

export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value, place) =>
    Array.isArray(value)
      ? value.map((item, at) => read(item, `${place}[${at}]`))
      : fail(place, 'a list', value);
}

/** Names of any kind, each with a value of one type. */
export function table<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, place) =>
    Object.fromEntries(
      Object.entries(object(value, place)).map(([name, item]) => [name, read(item, `${place}.${name}`)]),
    );
}

/** An object with these fields; others are ignored. */
export function record<T>(fields: { readonly [K in keyof T]-?: Reader<T[K]> }): Reader<T> {
  const readers = Object.entries(fields) as [string, Reader<unknown>][];
  return (value, place) => {
    const source = object(value, place);
    const prefix = place === '' ? '' : `${place}.`;
    const values = readers.map(([name, read]) => [name, read(source[name], prefix + name)]);
    return Object.fromEntries(values.filter(([, field]) => field !== undefined)) as T;
  };
}

/** What satisfies `is` besides. */
export function such<T>(read: Reader<T>, is: (value: T) => boolean, what: string): Reader<T> {
  return (value, place) => {
    const result = read(value, place);
    return is(result) ? result : fail(place, what, value);
  };
}

function object(value: unknown, place: string): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : fail(place, 'an object', value);
}

function fail(place: string, wanted: string, value: unknown): never {
  const found = value === undefined ? 'missing' : `${JSON.stringify(value).slice(0, 40)}, not ${wanted}`;
  throw new Error(`${place === '' ? 'it' : place} is ${found}`);
}
