/** The Error Information log of one controller (log page 01h): the last commands that failed for a reason of their own. */

/** One entry, as the log page shows it. */
export interface ErrorLogEntry {
  /** 1 for the first error of this controller, rising. */
  errorCount: number;
  sqid: number;
  cid: number;
  /** Status with DNR, without phase bit. */
  status: number;
  lba: number;
  nsid: number;
}

/** ELPE + 1. */
export const ERROR_LOG_ENTRIES = 16;

export class ErrorLog {
  /** Errors since the controller came to be. */
  count = 0;
  private readonly entries: ErrorLogEntry[] = [];

  add(entry: Omit<ErrorLogEntry, 'errorCount'>): void {
    this.count += 1;
    this.entries.unshift({ ...entry, errorCount: this.count });
    if (this.entries.length > ERROR_LOG_ENTRIES) this.entries.pop();
  }

  /** Newest first. */
  list(): readonly ErrorLogEntry[] {
    return this.entries;
  }
}
