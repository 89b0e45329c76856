/** Completion status values, as `sct << 8 | sc`, from NVMe base 2.0, the NVM command set and NVMe over Fabrics. */
export const Status = {
  success: 0x000,
  invalidOpcode: 0x001,
  invalidField: 0x002,
  cidConflict: 0x003,
  dataTransferError: 0x004,
  internalError: 0x006,
  abortRequested: 0x007,
  abortedSqDeletion: 0x008,
  fusedFailed: 0x009,
  fusedMissing: 0x00a,
  invalidNamespace: 0x00b,
  commandSequence: 0x00c,
  invalidSglSegment: 0x00d,
  invalidSglCount: 0x00e,
  dataSglLength: 0x00f,
  metadataSglLength: 0x010,
  sglType: 0x011,
  prpOffset: 0x013,
  sglOffset: 0x016,
  hostIdFormat: 0x018,
  keepAliveExpired: 0x019,
  keepAliveInvalid: 0x01a,
  sglDataBlockGranularity: 0x01e,
  namespaceWriteProtected: 0x020,
  transientTransport: 0x022,
  lbaRange: 0x080,
  capacityExceeded: 0x081,
  namespaceNotReady: 0x082,
  reservationConflict: 0x083,
  aerLimit: 0x105,
  abortLimit: 0x103,
  invalidLogPage: 0x109,
  featureNotSaveable: 0x10d,
  featureNotChangeable: 0x10e,
  connectIncompatibleFormat: 0x180,
  connectControllerBusy: 0x181,
  connectInvalidParameters: 0x182,
  connectRestartDiscovery: 0x183,
  connectInvalidHost: 0x184,
  writeFault: 0x280,
  unrecoveredRead: 0x281,
  compareFailure: 0x285,
  internalPath: 0x300,
  anaPersistentLoss: 0x301,
  anaInaccessible: 0x302,
  anaTransition: 0x303,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Status).map(([name, value]) => [value, name] as const),
);

/** `invalidField (0h/02h)`. */
export function statusName(code: number): string {
  return `${NAMES.get(code) ?? 'unknown'} (${(code >> 8).toString(16)}h/${(code & 0xff).toString(16).padStart(2, '0')}h)`;
}
