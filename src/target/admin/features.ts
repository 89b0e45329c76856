/** Get and Set Features (NVMe Base 2.0 section 5.27): current values only, nothing is saveable. */
import {
  FeatureId as Feature,
  isExtendedHostIdentifier,
  isNumberOfQueuesValid,
  packNumberOfQueues,
  unpackFeatureCdw10,
  unpackNumberOfQueues,
} from '../../wire/features.ts';
import { AdminOpcode } from '../../wire/opcodes.ts';
import { Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';

/** Features whose value a host may read and nothing here depends on: feature -> the only value. */
const FIXED = new Map<number, number>([
  [Feature.arbitration, 0x07], // no arbitration burst limit
  [Feature.powerManagement, 0],
  [Feature.temperatureThreshold, 0xffff],
  [Feature.errorRecovery, 0],
  [Feature.volatileWriteCache, 1],
  [Feature.writeAtomicity, 0],
]);

/** What a discovery controller knows of features. */
const DISCOVERY_FEATURE_IDS: readonly number[] = [Feature.asyncEventConfiguration, Feature.keepAliveTimer];

/** Features that Set Features can change. */
export const CHANGEABLE_FEATURE_IDS: ReadonlySet<number> = new Set([
  Feature.numberOfQueues,
  Feature.asyncEventConfiguration,
  Feature.keepAliveTimer,
]);

/** What an I/O controller knows of features. */
const IO_FEATURE_IDS: readonly number[] = [
  ...FIXED.keys(),
  ...CHANGEABLE_FEATURE_IDS,
  Feature.hostIdentifier,
].sort((a, b) => a - b);

/** The features of a controller, ascending: log page 12h lists them. */
export function featureIdsOf(controller: Controller): readonly number[] {
  return controller.isDiscovery ? DISCOVERY_FEATURE_IDS : IO_FEATURE_IDS;
}

const HOST_ID_BYTES = 16;

/** Bytes of data that the command moves, by feature identifier. */
export function featureDataBytes(request: Request): number {
  if ((request.cdw10 & 0xff) !== Feature.hostIdentifier) return 0;
  if (request.opcode === AdminOpcode.getFeatures) return HOST_ID_BYTES;
  return isExtendedHostIdentifier(request.cdw11) ? HOST_ID_BYTES : HOST_ID_BYTES / 2;
}

/** The feature that the command names is one of this kind of controller. */
export function isKnownFeature(controller: Controller, request: Request): boolean {
  const feature = request.cdw10 & 0xff;
  return featureIdsOf(controller).includes(feature);
}

export function executeGetFeatures(controller: Controller, request: Request): void {
  const { fid: feature, select } = unpackFeatureCdw10(request.cdw10);
  if (select !== 0) {
    request.refuse(Status.invalidField);
    return;
  }
  switch (feature) {
    case Feature.numberOfQueues:
      request.dw0 = grantedQueues(controller);
      break;
    case Feature.asyncEventConfiguration:
      request.dw0 = controller.events.configuration;
      break;
    case Feature.keepAliveTimer:
      request.dw0 = controller.katoMs;
      break;
    case Feature.hostIdentifier:
      if (!isExtendedHostIdentifier(request.cdw11)) {
        // fabrics know only the 128-bit form
        request.refuse(Status.invalidField);
        return;
      }
      request.data.write(controller.host.hostId, 'hex');
      break;
    default:
      request.dw0 = FIXED.get(feature)!;
  }
  request.complete(Status.success);
}

export function executeSetFeatures(target: Target, controller: Controller, request: Request): void {
  const { fid: feature, save } = unpackFeatureCdw10(request.cdw10);
  if (save) {
    request.refuse(Status.featureNotSaveable);
    return;
  }
  const value = request.cdw11;
  switch (feature) {
    case Feature.numberOfQueues:
      setNumberOfQueues(target, controller, request);
      return;
    case Feature.asyncEventConfiguration:
      request.complete(Status.success);
      controller.events.configure(value);
      return;
    case Feature.keepAliveTimer:
      controller.setKeepAlive(value);
      request.complete(Status.success);
      return;
    case Feature.hostIdentifier:
      // the host said who it is with Connect
      request.refuse(Status.commandSequenceError);
      return;
    default:
      // setting what it is already is no change
      if (FIXED.get(feature) === value) request.complete(Status.success);
      else request.refuse(Status.featureNotChangeable);
  }
}

function grantedQueues(controller: Controller): number {
  const granted = controller.ioQueuesGranted;
  return packNumberOfQueues({ submission: granted, completion: granted });
}

function setNumberOfQueues(target: Target, controller: Controller, request: Request): void {
  if (!isNumberOfQueuesValid(request.cdw11)) {
    request.refuse(Status.invalidField);
    return;
  }
  for (const qid of controller.queues.keys()) {
    if (qid !== 0) {
      request.refuse(Status.commandSequenceError);
      return;
    }
  }
  const { submission, completion } = unpackNumberOfQueues(request.cdw11);
  controller.ioQueuesGranted = Math.min(submission, completion, target.settings.maxIoQueues);
  request.dw0 = grantedQueues(controller);
  request.complete(Status.success);
}
