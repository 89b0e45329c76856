/**
 * Every limit of the gateway, each with its reason. Counts unless the name says otherwise (`Ms`, `Bytes`).
 * Nothing that a host or a client sends may make something grow past a number in this file.
 */
export const LIMITS = {
  // ---- configuration ----
  /** What ceph-nvmeof documents as supported; the discovery log stays small enough for one page read. */
  maxSubsystems: 128,
  /** All subsystems together; each namespace costs an open backend and its counters. */
  maxNamespaces: 4096,
  /** MNAN of every controller: constant from the first Connect on, because Linux sizes its lists once. */
  maxNamespacesPerSubsystem: 4096,
  /** Allowed-host entries in all subsystems together: they are looked up at each Connect and in each discovery log. */
  maxHosts: 2048,
  /** Allowed-host entries of one subsystem, "any host" not counted. */
  maxHostsPerSubsystem: 128,
  /** Hosts that one namespace is listed for, as ceph-nvmeof: a record and a place in the gateways' memory each. */
  maxHostsPerNamespace: 16,
  /** Listener records of one subsystem, those of other gateways included: one discovery log entry each. */
  maxListenersPerSubsystem: 64,
  /** TCP port of a listener when nobody names one: IANA's for NVMe over Fabrics. */
  defaultListenPort: 4420,
  /** Network masks of one subsystem: each is compared with each address of each gateway. */
  maxNetworksPerSubsystem: 16,
  /** Addresses of its node that a gateway publishes: as many as it can listen on. */
  maxPublishedAddresses: 64,
  /** Different address:port pairs that one process listens on: a descriptor and an accept queue each. */
  maxListenAddresses: 64,
  /** Backends opened at the same time while the gateway starts: enough to hide latency, few enough to bound memory. */
  maxParallelBackendOpens: 16,
  /** Images of ANA groups that other gateways serve, kept open to be taken over quickly: about 0.35 MiB each. The others are opened then. */
  standbyImages: 512,
  /** ANAGRPMAX and NANAGRPID: constant from the first Connect on, because Linux sizes its ANA buffer once. */
  maxAnaGroups: 128,
  /** Largest namespace: 2^53 - 1 bytes are exact in a number; one bit is left for sums of offset and length. */
  maxNamespaceBytes: 2 ** 52,

  /** Names and values of one commit together: one write of an OSD, which takes 90 MB; removing 4096 namespaces is 1 MB. */
  maxCommitBytes: 8 * 1024 * 1024,

  // ---- controllers and queues ----
  /** Controller ids of one slot (one gateway of a group): 32 slots fill the 65519 usable ids. */
  cntlidsPerSlot: 2040,
  /** Slots, hence gateways of one group, that the controller id space holds. */
  maxSlots: 32,
  /** I/O queues granted to one controller: Linux asks for one per CPU, more than this wins nothing on one event loop. */
  maxIoQueuesPerController: 8,
  /** Entries of an admin queue, as Linux asks for (NVMF_AQ_DEPTH). */
  adminQueueDepth: 32,
  /** Entries of an I/O queue unless set otherwise (MQES + 1 that is offered): Linux asks for 128. */
  ioQueueDepth: 128,
  /** Largest value that the I/O queue depth may be set to: each entry costs a command slot for the queue's life. */
  maxIoQueueDepth: 1024,
  /** Asynchronous Event Requests outstanding (AERL + 1): Linux keeps one. */
  maxAsyncEventRequests: 4,

  // ---- transport ----
  /** TCP connections of the process: 1000 hosts with 1 admin and 8 I/O queues, and as much again while all reconnect. */
  maxConnections: 16384,
  /** A connection that sent no complete ICReq by then is closed: an idle socket must not hold a place. */
  icReqTimeoutMs: 10_000,
  /** A connection whose admin or I/O Connect did not come by then is closed, for the same reason. */
  connectTimeoutMs: 10_000,
  /** Largest data transfer of one command (MDTS), and MAXH2CDATA, which old kernels ignore below it. */
  maxTransferBytes: 1024 * 1024,
  /** In-capsule data of an I/O command (IOCCSZ - 64): Linux sends writes up to this size without an R2T. */
  inCapsuleDataBytes: 8192,

  // ---- life cycle ----
  /** How long a stopping gateway waits for others to take its ANA groups over: what follows has its time too, and all of it 10 s. */
  stopLeaveMs: 6000,
  /** How long a stopping gateway lets commands in flight finish before it closes their connections. */
  stopDrainMs: 2000,
  /** How long a stopping gateway waits for its devices to close. Images are given back by then, and OSDs forget a client that is gone. */
  stopCloseMs: 6000,
  /** How long a change that is asked for while the gateway starts waits for the end of that, before it is refused. */
  startWaitMs: 5000,
  /** How long a start waits for the lock of a predecessor that was just killed. */
  stateLockWaitMs: 2000,
} as const;

export type Limits = { readonly [K in keyof typeof LIMITS]: number };
