/** A target with one subsystem, one namespace on a fake device and one port, and hosts that connect to it, all in one thread and on a manual clock. */
import { nullLog } from '../../src/base/log.ts';
import { AnaState, AnaStates } from '../../src/target/ana.ts';
import { CntlidAllocator } from '../../src/target/cntlid.ts';
import type { Controller } from '../../src/target/controller.ts';
import type { Namespace } from '../../src/target/namespace.ts';
import type { Port, PortConfig } from '../../src/target/port.ts';
import type { Subsystem } from '../../src/target/subsystem.ts';
import { Target, type TargetSettings } from '../../src/target/target.ts';
import { WatchedClock } from '../../src/target/watched-clock.ts';
import { ManualClock } from '../base/manual-clock.ts';
import {
  type ConnectSpec,
  connectData,
  connectSqe,
  Property,
  propertySetSqe,
  sqe,
} from '../initiator/command.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import { type Answer, FakeConnection } from './fake-connection.ts';

export const SUBSYSTEM_NQN = 'nqn.2026-11.io.anagate:unit';
export const DISCOVERY_NQN = 'nqn.2014-08.org.nvmexpress.discovery';
export const HOST_NQN = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
export const HOST_ID = Buffer.from('11111111222233334444555555555555', 'hex');
export const BLOCK = 512;
/** CC with EN, IOSQES 6 and IOCQES 4. */
export const CC_ENABLE = 0x0046_0001;

export interface ConnectOptions extends ConnectSpec {
  port?: Port;
  subnqn?: string;
  hostnqn?: string;
  hostid?: Buffer;
  cntlid?: number;
  /** Sets CC.EN after Connect; default true. */
  enable?: boolean;
}

/** One host's controller: its admin queue and its I/O queues. */
export interface Host {
  admin: FakeConnection;
  io: FakeConnection;
  controller: Controller;
}

export class TargetWorld {
  readonly clock = new ManualClock();
  /** The target's clock: {@link clock}, with an eye on gaps. */
  readonly watched = new WatchedClock(this.clock, this.clock, 250);
  readonly ana = new AnaStates(4);
  readonly cntlids = new CntlidAllocator(1, 2040);
  readonly target: Target;
  readonly subsystem: Subsystem;
  readonly device: FakeBlockDevice;
  readonly namespace: Namespace;
  readonly port: Port;

  constructor(settings: Partial<TargetSettings> = {}) {
    this.target = new Target({ clock: this.watched, timers: this.clock, log: nullLog, settings });
    this.subsystem = this.target.addSubsystem({
      nqn: SUBSYSTEM_NQN,
      serial: 'UNIT',
      model: 'Anagate',
      maxNamespaces: 4096,
    });
    this.subsystem.allowHost('*');
    this.port = this.addPort();
    this.port.expose(this.subsystem);
    this.device = new FakeBlockDevice(2048 * BLOCK);
    this.namespace = this.addNamespace(1, 1, this.device);
    this.ana.set(1, AnaState.optimized);
  }

  addPort(config: Partial<PortConfig> = {}): Port {
    return this.target.addPort({
      portId: 1,
      adrfam: 'ipv4',
      traddr: '192.0.2.1',
      trsvcid: '4420',
      ana: this.ana,
      cntlids: this.cntlids,
      ...config,
    });
  }

  addNamespace(nsid: number, anaGroupId: number, device: FakeBlockDevice, readOnly = false): Namespace {
    const hex = nsid.toString(16).padStart(32, '0');
    return this.subsystem.addNamespace(
      {
        nsid,
        uuid: hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
        nguid: hex,
        anaGroupId,
        blockSize: BLOCK,
        sizeBytes: device.sizeBytes,
        readOnly,
      },
      device,
    );
  }

  connection(port = this.port): FakeConnection {
    return new FakeConnection(this.target, port);
  }

  /** One Connect on a connection, and its answer. */
  connect(connection: FakeConnection, options: ConnectOptions = {}): Answer {
    const data = connectData({
      hostid: options.hostid ?? HOST_ID,
      cntlid: options.cntlid ?? 0xffff,
      subnqn: options.subnqn ?? SUBSYSTEM_NQN,
      hostnqn: options.hostnqn ?? HOST_NQN,
    });
    return connection.call(connectSqe({ sqsize: 31, ...options }), { data });
  }

  /** An admin queue, connected and (unless told otherwise) enabled. */
  connectAdmin(options: ConnectOptions = {}): { admin: FakeConnection; controller: Controller } {
    const admin = this.connection(options.port);
    const answer = this.connect(admin, options);
    if (answer.status !== 0) throw new Error(`Connect: status ${answer.status.toString(16)}`);
    if (options.enable !== false) admin.call(propertySetSqe(Property.cc, CC_ENABLE));
    return { admin, controller: admin.queue.controller! };
  }

  connectIo(controller: Controller, options: ConnectOptions = {}): FakeConnection {
    const io = this.connection(options.port ?? controller.port);
    const answer = this.connect(io, {
      qid: 1,
      sqsize: 31,
      cntlid: controller.cntlid,
      subnqn: controller.subsystem?.nqn ?? DISCOVERY_NQN,
      hostnqn: controller.host.hostNqn,
      hostid: Buffer.from(controller.host.hostId, 'hex'),
      ...options,
    });
    if (answer.status !== 0) throw new Error(`Connect: status ${answer.status.toString(16)}`);
    return io;
  }

  /** A host with one I/O queue of 32 entries. */
  host(options: ConnectOptions = {}): Host {
    const { admin, controller } = this.connectAdmin(options);
    return { admin, controller, io: this.connectIo(controller) };
  }

  /** Sends an Asynchronous Event Request. */
  arm(admin: FakeConnection): number {
    return admin.send(sqe({ opcode: 0x0c }));
  }
}
