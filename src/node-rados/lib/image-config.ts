/** Effective configuration of images and pools. */

/** Where the value comes from: the client's configuration, the pool's or the image's metadata. */
export type ConfigSource = 'config' | 'pool' | 'image';
const SOURCES: readonly ConfigSource[] = ['config', 'pool', 'image'];

export interface ConfigOption {
  name: string;
  value: string;
  source: ConfigSource;
}

export function configOptions(raw: readonly [name: string, value: string, source: number][]): ConfigOption[] {
  return raw.map(([name, value, source]) => ({ name, value, source: SOURCES[source] ?? 'config' }));
}
