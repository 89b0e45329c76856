/** Get and Set Features (NVMe base 2.0 sections 5.15 and 5.27): identifiers, and the fields of CDW10, CDW11 and DW0. */

/** Feature identifiers (base figure 317; the NVM command set adds 03h, 05h and 0Ah). */
export const FeatureId = {
  arbitration: 0x01,
  powerManagement: 0x02,
  lbaRangeType: 0x03,
  temperatureThreshold: 0x04,
  errorRecovery: 0x05,
  volatileWriteCache: 0x06,
  numberOfQueues: 0x07,
  interruptCoalescing: 0x08,
  interruptVectorConfiguration: 0x09,
  writeAtomicity: 0x0a,
  asyncEventConfiguration: 0x0b,
  autonomousPowerStateTransition: 0x0c,
  hostMemoryBuffer: 0x0d,
  timestamp: 0x0e,
  keepAliveTimer: 0x0f,
  hostControlledThermalManagement: 0x10,
  nonOperationalPowerState: 0x11,
  readRecoveryLevel: 0x12,
  hostBehaviorSupport: 0x16,
  sanitize: 0x17,
  enduranceGroupEvent: 0x18,
  commandSetProfile: 0x19,
  softwareProgressMarker: 0x80,
  hostIdentifier: 0x81,
  reservationNotificationMask: 0x82,
  reservationPersistence: 0x83,
  namespaceWriteProtection: 0x84,
} as const;

/** SEL of Get Features, CDW10 bits 10:8. */
export const FeatureSelect = { current: 0, default: 1, saved: 2, capabilities: 3 } as const;

/** CDW10 of Get and Set Features. */
export interface FeatureCdw10 {
  fid: number;
  /** {@link FeatureSelect}; Get Features only. */
  select: number;
  /** SV: keep the value over resets; Set Features only. */
  save: boolean;
}

export function unpackFeatureCdw10(cdw10: number): FeatureCdw10 {
  return { fid: cdw10 & 0xff, select: (cdw10 >>> 8) & 7, save: cdw10 >>> 31 === 1 };
}

/** Number of I/O queues, counting from 1. */
export interface QueueCounts {
  submission: number;
  completion: number;
}

/** CDW11 of Set Features 07h (base figure 326): NSQR and NCQR, 0's based. */
export function unpackNumberOfQueues(cdw11: number): QueueCounts {
  return { submission: (cdw11 & 0xffff) + 1, completion: (cdw11 >>> 16) + 1 };
}

/** DW0 of Get and Set Features 07h (base figure 327): NSQA and NCQA, 0's based. */
export function packNumberOfQueues(counts: QueueCounts): number {
  return (((counts.completion - 1) << 16) | (counts.submission - 1)) >>> 0;
}

/** A field of 65536 queues (FFFFh) is an invalid request (base section 5.27.1.5). */
export function isNumberOfQueuesValid(cdw11: number): boolean {
  return (cdw11 & 0xffff) !== 0xffff && cdw11 >>> 16 !== 0xffff;
}

/**
 * Bits of Asynchronous Event Configuration, CDW11 of feature 0Bh (base figure 328). From bit 8 on they are also
 * those of OAES in Identify Controller.
 */
export const AsyncEventBit = {
  /** SMART critical warnings, bits 7:0. */
  spareBelowThreshold: 1 << 0,
  temperature: 1 << 1,
  reliabilityDegraded: 1 << 2,
  readOnly: 1 << 3,
  volatileBackupFailed: 1 << 4,
  persistentMemoryRegion: 1 << 5,
  namespaceAttribute: 1 << 8,
  firmwareActivation: 1 << 9,
  telemetryLog: 1 << 10,
  anaChange: 1 << 11,
  predictableLatency: 1 << 12,
  lbaStatus: 1 << 13,
  enduranceGroup: 1 << 14,
  normalSubsystemShutdown: 1 << 15,
  /** Bit 31; as an unsigned number. */
  discoveryLogChange: 2 ** 31,
} as const;

/** Type of an asynchronous event, DW0 bits 2:0 of the completion (base figure 145). */
export const AsyncEventType = {
  error: 0,
  smart: 1,
  notice: 2,
  immediate: 3,
  ioCommandSet: 6,
  vendor: 7,
} as const;

/** Information of a notice, DW0 bits 15:8 (base figure 149). */
export const AsyncEventNotice = {
  namespaceAttributeChanged: 0x00,
  firmwareActivationStarting: 0x01,
  telemetryLogChanged: 0x02,
  anaChange: 0x03,
  enduranceGroupEvent: 0x06,
  discoveryLogChange: 0xf0,
} as const;

/** DW0 of the completion of an Asynchronous Event Request: what happened, and the log page that clears it. */
export function packAsyncEvent(type: number, information: number, logPage: number): number {
  return ((logPage << 16) | (information << 8) | type) >>> 0;
}

/** CDW11 of Host Identifier, feature 81h: EXHID, 16 bytes instead of 8. */
export function isExtendedHostIdentifier(cdw11: number): boolean {
  return (cdw11 & 1) === 1;
}

/** CDW11 of Volatile Write Cache, feature 06h: WCE. */
export function isWriteCacheEnabled(cdw11: number): boolean {
  return (cdw11 & 1) === 1;
}

/** Temperature Threshold, CDW11 of feature 04h (base figure 322): THSEL in bits 21:20, TMPSEL in bits 19:16. */
export interface TemperatureThreshold {
  /** Kelvins. */
  threshold: number;
  /** 0 the composite temperature, 1..8 a sensor, 15 all of them. */
  sensor: number;
  /** 0 over, 1 under. */
  type: number;
}

export function unpackTemperatureThreshold(cdw11: number): TemperatureThreshold {
  return { threshold: cdw11 & 0xffff, sensor: (cdw11 >>> 16) & 0xf, type: (cdw11 >>> 20) & 3 };
}
