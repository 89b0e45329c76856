/**
 * Reads the INI dialect of ceph-nvmeof.conf (Python's ConfigParser): `[section]`, `key = value` or `key: value`, whole-line
 * comments with `#` or `;`. Continuation lines are not supported. Pure.
 */
import { AnagateError } from '../base/errors.ts';

export interface IniEntry {
  /** As written. */
  readonly section: string;
  /** In lower case. */
  readonly key: string;
  /** Trimmed; may be empty. */
  readonly value: string;
  /** 1-based. */
  readonly line: number;
}

/** The entries of `text` in order. Throws INVALID_ARGUMENT naming `path` and the line of what cannot be read. */
export function parseIni(text: string, path: string): IniEntry[] {
  const entries: IniEntry[] = [];
  const firstLine = new Map<string, number>();
  let section: string | null = null;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) return;
    const header = /^\[([^[\]]+)\]$/.exec(content);
    if (header !== null) {
      section = header[1]!.trim();
      return;
    }
    if (section === null) throw iniError(path, line, 'comes before the first [section]');
    if (/^\s/.test(raw))
      throw iniError(path, line, 'is indented; write each option on one line, without indentation');
    const match = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content);
    if (match === null) throw iniError(path, line, `is neither [section] nor key = value: ${content}`);
    const key = match[1]!.toLowerCase();
    const before = firstLine.get(`${section}\n${key}`);
    if (before !== undefined) throw iniError(path, line, `sets ${key} again, after line ${before}`);
    firstLine.set(`${section}\n${key}`, line);
    entries.push({ section, key, value: match[2]!, line });
  });
  return entries;
}

/** An INVALID_ARGUMENT that points at a line of the file. */
export function iniError(path: string, line: number, what: string): AnagateError {
  return new AnagateError('INVALID_ARGUMENT', `${path}: line ${line} ${what}`);
}
