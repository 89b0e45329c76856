/** Which image. */
export interface ImageName {
  readonly pool: string;
  /** '' is the pool's default namespace. */
  readonly radosNamespace: string;
  readonly image: string;
}

/** As `rbd` takes it: `pool/image` or `pool/namespace/image`. */
export function imagePath({ pool, radosNamespace, image }: ImageName): string {
  return radosNamespace === '' ? `${pool}/${image}` : `${pool}/${radosNamespace}/${image}`;
}
