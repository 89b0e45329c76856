/** SGL rules of NVMe/TCP: one descriptor, in-capsule or transport data block (NVMe/TCP 1.0 section 3.4, Base 2.0 4.1.2). */
import type { Request } from '../../target/request.ts';
import { DNR, Status } from '../../wire/status.ts';

/** Data block descriptor (0h) with the offset subtype (1h): the data is in the capsule. */
const SGL_IN_CAPSULE = 0x01;
/** Transport data block (5h) with the transport specific subtype (Ah): the data moves in PDUs of its own. */
const SGL_TRANSPORT = 0x5a;

/** The capsule holds `inCapsule` bytes of data. Returns 0 or the status that the command ends with. */
export function checkSgl(request: Request, inCapsule: number, toController: boolean): number {
  const wanted = request.dataLength;
  if (inCapsule > 0) {
    if (request.sglIdentifier !== SGL_IN_CAPSULE || !toController)
      return Status.sglDescriptorTypeInvalid | DNR;
    if (request.sglAddressLow !== 0 || request.sglAddressHigh !== 0) return Status.sglOffsetInvalid | DNR;
    return request.sglLength === wanted && inCapsule === wanted ? 0 : Status.dataSglLengthInvalid | DNR;
  }
  if (wanted === 0) return request.sglLength === 0 ? 0 : Status.dataSglLengthInvalid | DNR;
  if (request.sglIdentifier === SGL_IN_CAPSULE && toController) return Status.dataSglLengthInvalid | DNR;
  if (request.sglIdentifier !== SGL_TRANSPORT) return Status.sglDescriptorTypeInvalid | DNR;
  return request.sglLength === wanted ? 0 : Status.dataSglLengthInvalid | DNR;
}
