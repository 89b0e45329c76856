import { describe, expect, it } from 'vitest';
import {
  AsyncEventBit,
  AsyncEventNotice,
  AsyncEventType,
  isExtendedHostIdentifier,
  isNumberOfQueuesValid,
  isWriteCacheEnabled,
  packAsyncEvent,
  packNumberOfQueues,
  unpackFeatureCdw10,
  unpackNumberOfQueues,
  unpackTemperatureThreshold,
} from '../../src/wire/features.ts';

describe('feature fields', () => {
  it('CDW10 holds the identifier, the selection and the save bit', () => {
    expect(unpackFeatureCdw10(0x8000_0307)).toEqual({ fid: 0x07, select: 3, save: true });
    expect(unpackFeatureCdw10(0x0000_000b)).toEqual({ fid: 0x0b, select: 0, save: false });
    expect(unpackFeatureCdw10(-1)).toEqual({ fid: 0xff, select: 7, save: true });
  });

  it('numbers of queues are 0-based, submission queues low', () => {
    expect(unpackNumberOfQueues(0x0003_0001)).toEqual({ submission: 2, completion: 4 });
    expect(packNumberOfQueues({ submission: 2, completion: 4 })).toBe(0x0003_0001);
    expect(packNumberOfQueues({ submission: 65536, completion: 65536 })).toBe(0xffff_ffff);
    expect(isNumberOfQueuesValid(0xfffe_fffe)).toBe(true);
    expect(isNumberOfQueuesValid(0xffff_0001)).toBe(false);
    expect(isNumberOfQueuesValid(0x0001_ffff)).toBe(false);
  });

  it('asynchronous events name their log page', () => {
    expect(packAsyncEvent(AsyncEventType.notice, AsyncEventNotice.anaChange, 0x0c)).toBe(0x000c_0302);
    expect(packAsyncEvent(AsyncEventType.notice, AsyncEventNotice.discoveryLogChange, 0x70)).toBe(
      0x0070_f002,
    );
    expect(packAsyncEvent(AsyncEventType.notice, AsyncEventNotice.namespaceAttributeChanged, 0x04)).toBe(
      0x0004_0002,
    );
    expect(AsyncEventBit.discoveryLogChange).toBe(0x8000_0000);
    expect(AsyncEventBit.anaChange).toBe(0x800);
    expect(AsyncEventBit.namespaceAttribute).toBe(0x100);
  });

  it('single bits and the temperature threshold', () => {
    expect(isExtendedHostIdentifier(1)).toBe(true);
    expect(isExtendedHostIdentifier(2)).toBe(false);
    expect(isWriteCacheEnabled(0x8000_0001)).toBe(true);
    expect(isWriteCacheEnabled(0)).toBe(false);
    expect(unpackTemperatureThreshold(0x001f_0157)).toEqual({ threshold: 343, sensor: 15, type: 1 });
  });
});
