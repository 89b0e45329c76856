/** Loaded before each test file: what is awaited with `vi.waitFor` may take long on a machine that does much else. */
import { vi } from 'vitest';

/** Vitest's own is 1 s. */
const TIMEOUT_MS = 10_000;

const { waitFor } = vi;
vi.waitFor = (check, options) =>
  waitFor(check, typeof options === 'number' ? options : { timeout: TIMEOUT_MS, ...options });
