/** Whether hosts may take a namespace for the one that it was. Pure. */
import type { NamespaceRecord, RbdRecord } from './records.ts';

/** What may change of a disk that is in use. */
const CHANGEABLE = new Set<string>([
  'sizeBytes',
  'anaGroupId',
  'disableAutoResize',
  'trashOnDelete',
  'noAutoVisible',
  'location',
] satisfies (keyof NamespaceRecord | keyof RbdRecord)[]);

export function isSameDisk(before: NamespaceRecord, after: NamespaceRecord): boolean {
  const identity = (record: NamespaceRecord): string =>
    JSON.stringify(record, (name, value) => (CHANGEABLE.has(name) ? undefined : value));
  return identity(before) === identity(after);
}
