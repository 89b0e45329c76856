/** Limits of namespaces on what hosts may do per second: requests -> records, and records -> what the target holds to. Pure. */
import type { ConfigChange } from '../../store/store.ts';
import type { IoLimits } from '../../target/io/io-limiter.ts';
import { type Configuration, removeRecord, setRecord } from '../configuration/configuration.ts';
import type { QosLimits, QosRecord } from '../configuration/records.ts';
import { findNamespace } from './namespaces.ts';
import { refuse } from './validation.ts';

export const UNLIMITED: QosLimits = { rwIos: 0, rwMbytes: 0, rMbytes: 0, wMbytes: 0 };

/** Far more than anything can do, and far from where numbers lose their last digit. */
const MOST = 1_000_000_000;
const MIB = 1024 * 1024;

const NAMES: Readonly<Record<keyof QosLimits, string>> = {
  rwIos: 'I/Os per second',
  rwMbytes: 'megabytes per second',
  rMbytes: 'megabytes read per second',
  wMbytes: 'megabytes written per second',
};

/** A limit that `asked` leaves out stays as it is. Nothing when nothing changes. */
export function planSetQos(
  config: Configuration,
  nqn: string,
  nsid: number,
  asked: Partial<QosLimits>,
): ConfigChange[] {
  findNamespace(config, nqn, nsid);
  const given = Object.entries(asked) as [keyof QosLimits, number][];
  if (given.length === 0) {
    refuse('INVALID_ARGUMENT', 'no limit was given; give at least one, 0 takes one away');
  }
  for (const [name, value] of given) {
    if (!Number.isInteger(value) || value < 0 || value > MOST)
      refuse('INVALID_ARGUMENT', `${NAMES[name]} must be a whole number from 0 to ${MOST}, not ${value}`);
  }
  const before = config.subsystem(nqn).qos.get(nsid);
  const limits = { ...(before?.limits ?? UNLIMITED), ...asked };
  const record: QosRecord = { kind: 'qos', nqn, nsid, limits };
  if (Object.values(limits).every((limit) => limit === 0))
    return before === undefined ? [] : [removeRecord(before)];
  return [setRecord(record)];
}

export function toIoLimits({ rwIos, rwMbytes, rMbytes, wMbytes }: QosLimits): IoLimits {
  return {
    commands: rwIos,
    bytes: rwMbytes * MIB,
    readBytes: rMbytes * MIB,
    writeBytes: wMbytes * MIB,
  };
}
