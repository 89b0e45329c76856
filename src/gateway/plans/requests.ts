/** What can be asked of a gateway: the forms of requests, before they are validated. */

export interface SubsystemSpec {
  nqn: string;
  /** Default "AG" + 18 random digits; at most 20 ASCII characters. */
  serial?: string;
  /** 1..4096; default 4096. */
  maxNamespaces?: number;
  /** Masks (CIDR): each gateway listens on the addresses of its node that are within one. */
  networks?: readonly string[];
  /** TCP port of those listeners, default 4420. */
  listenPort?: number;
  /** DH-HMAC-CHAP key of its controllers, in the clear; with it each host needs a key. */
  dhchapKey?: string;
}

/** Keys of a host in their text forms, in the clear. */
export interface HostKeys {
  /** `NVMeTLSkey-1:...` */
  psk?: string | undefined;
  /** `DHHC-1:...` */
  dhchapKey?: string | undefined;
  /** What controllers prove themselves with to this host: `DHHC-1:...` */
  dhchapControllerKey?: string | undefined;
}

/** null deletes a key; what is absent stays. */
export interface HostKeyChange {
  dhchapKey?: string | null;
  dhchapControllerKey?: string | null;
}

export interface ListenerSpec {
  nqn: string;
  /**
   * Name of the node whose gateway activates it; '*': of whoever has the address; '': this gateway's, or that of whoever has
   * the address when this one has not.
   */
  hostName: string;
  traddr: string;
  adrfam: 'ipv4' | 'ipv6';
  /** TCP port, default 4420. */
  trsvcid: number;
}

/** What is asked of a listener that is added. */
export interface ListenerChecks {
  /** INVALID_ARGUMENT unless the host name is that of a gateway of the group. */
  verifyHostName?: boolean;
  /** Though nobody has the address now. */
  force?: boolean;
}

export type BackendSpec = { type: 'file'; path: string; create: boolean } | { type: 'memory' } | RbdSpec;

export interface RbdSpec {
  type: 'rbd';
  pool: string;
  image: string;
  /** Absent: the pool's default namespace. */
  radosNamespace?: string;
  /** For an image that is made: the pool that holds its data. */
  dataPool?: string;
  /** Make the image when it is missing; needs a size. */
  create?: boolean;
  /** Move the image to the pool's trash when the namespace is deleted. */
  trashOnDelete?: boolean;
}

export interface NamespaceSpec {
  nqn: string;
  /** Default: lowest free. */
  nsid?: number;
  /** RFC 9562 text form; default random. */
  uuid?: string;
  backend: BackendSpec;
  /** Bytes; required when the backend object is to be created. */
  sizeBytes?: number;
  /** Default 512. */
  blockSize?: 512 | 4096;
  /** 0 or absent: least loaded group. */
  anaGroupId?: number;
  readOnly?: boolean;
  /** Only the hosts that are listed for it see it; absent: all hosts of the subsystem. */
  noAutoVisible?: boolean;
  /** Placed on gateways that stand there, while there are any. */
  location?: string;
  /** Keep the namespace's size when its image grows. */
  disableAutoResize?: boolean;
  /** Use the file or image even though another namespace has it. */
  force?: boolean;
}

/** What a namespace does with its image; what is absent stays as it is. */
export interface ImageTreatment {
  /** Grow when the image grows. */
  autoResize?: boolean;
  /** See {@link RbdSpec}. */
  trashOnDelete?: boolean;
}
