/** Opcodes and Fabrics command types. NVMe Base 2.0 sections 3.1.2 and 6, NVM Command Set 1.0 section 3. */
export const FABRICS_OPCODE = 0x7f;

export const FabricsType = {
  propertySet: 0x00,
  connect: 0x01,
  propertyGet: 0x04,
  authenticationSend: 0x05,
  authenticationReceive: 0x06,
  disconnect: 0x08,
} as const;

export const AdminOpcode = {
  getLogPage: 0x02,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEventRequest: 0x0c,
  keepAlive: 0x18,
} as const;

export const IoOpcode = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  compare: 0x05,
  writeZeroes: 0x08,
  datasetManagement: 0x09,
} as const;
