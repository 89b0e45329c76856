/** Nanoseconds of CPU that process `pid` has used, user and system. Throws when it is gone. */
export function cpuTimeNs(pid: number): number;
