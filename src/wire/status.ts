/**
 * NVMe status values: the 15-bit Status field of a completion without its phase bit, SCT << 8 | SC, with CRD and DNR
 * above. NVMe Base 2.0 section 3.3.3.2.
 */

/** Do Not Retry: set only where another try of the same command can never succeed. */
export const DNR = 0x4000;

export const Status = {
  success: 0x000,
  // Generic command status (SCT 0h)
  invalidOpcode: 0x001,
  invalidField: 0x002,
  commandIdConflict: 0x003,
  dataTransferError: 0x004,
  internalError: 0x006,
  abortRequested: 0x007,
  abortedSqDeletion: 0x008,
  failedFusedCommand: 0x009,
  missingFusedCommand: 0x00a,
  invalidNamespaceOrFormat: 0x00b,
  commandSequenceError: 0x00c,
  invalidSglSegmentDescriptor: 0x00d,
  invalidNumberOfSglDescriptors: 0x00e,
  dataSglLengthInvalid: 0x00f,
  sglDescriptorTypeInvalid: 0x011,
  atomicWriteUnitExceeded: 0x014,
  sglOffsetInvalid: 0x016,
  hostIdInconsistentFormat: 0x018,
  keepAliveTimeoutInvalid: 0x01a,
  namespaceWriteProtected: 0x020,
  commandInterrupted: 0x021,
  transientTransportError: 0x022,
  lbaOutOfRange: 0x080,
  capacityExceeded: 0x081,
  namespaceNotReady: 0x082,
  // Command specific status (SCT 1h)
  asyncEventRequestLimitExceeded: 0x105,
  invalidLogPage: 0x109,
  featureNotSaveable: 0x10d,
  featureNotChangeable: 0x10e,
  featureNotNamespaceSpecific: 0x10f,
  attemptedWriteToReadOnlyRange: 0x182,
  // Fabrics Connect (SCT 1h)
  connectIncompatibleFormat: 0x180,
  connectControllerBusy: 0x181,
  connectInvalidParameters: 0x182,
  connectInvalidHost: 0x184,
  connectInvalidQueueType: 0x185,
  authenticationRequired: 0x191,
  // Media and data integrity errors (SCT 2h)
  writeFault: 0x280,
  unrecoveredReadError: 0x281,
  compareFailure: 0x285,
  // Path related status (SCT 3h)
  asymmetricAccessInaccessible: 0x302,
} as const;
