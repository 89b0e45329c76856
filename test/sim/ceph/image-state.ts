/** Images as they are kept in the cluster: a header with the lock, an object map, and data objects of a few sectors that matter. */
import type { RadosClient } from './client.ts';

export const OBJECT_BYTES = 4 * 1024 * 1024;
export const SECTOR_BYTES = 512;

/** Who holds the exclusive lock of an image. */
export interface ImageLocker {
  readonly client: RadosClient;
  /** Taken because a program asked for it: not given to whoever wants it. */
  readonly isExplicit: boolean;
}

/** Told of what OSDs do to images. */
export interface ImageWatcher {
  /** A write or a flush of it was executed. */
  wrote(image: ImageState, client: RadosClient): void;
  locked(image: ImageState, client: RadosClient): void;
}

export class ImageState {
  readonly name: string;
  readonly objects: number;
  readonly watcher: ImageWatcher;
  locker: ImageLocker | null = null;
  /** Data objects that exist, as the object map says. */
  readonly objectMap = new Set<number>();
  /** Sectors that were written, by number; the value stands for 512 bytes. */
  readonly sectors = new Map<number, number>();

  constructor(name: string, objects: number, watcher: ImageWatcher) {
    this.name = name;
    this.objects = objects;
    this.watcher = watcher;
  }

  get sizeBytes(): number {
    return this.objects * OBJECT_BYTES;
  }

  get header(): string {
    return `rbd_header.${this.name}`;
  }

  get objectMapObject(): string {
    return `rbd_object_map.${this.name}`;
  }

  dataObject(number: number): string {
    return `rbd_data.${this.name}.${number.toString(16).padStart(16, '0')}`;
  }
}

/** The number of the data object that has the byte. */
export function objectOf(offset: number): number {
  return Math.floor(offset / OBJECT_BYTES);
}
