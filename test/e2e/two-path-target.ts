/**
 * One process that plays two gateways of a group: a subsystem with one namespace, offered at two addresses, each with the
 * ANA states and controller ids of a gateway of its own. What the monitor would decide comes as lines on stdin:
 *
 *     set GATEWAY STATE      gateway 1 or 2; optimized, non-optimized or inaccessible
 *     drain GATEWAY          planned hand-over: hold, wait for what is in flight, then inaccessible
 *
 * Each line is answered `ok` or `cancelled`, in order. Arguments: subsystem NQN, backing file, its size in bytes, the two
 * addresses.
 */
import { createInterface } from 'node:readline';
import { openFileDevice } from '../../src/backend/file.ts';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import type { Log, LogFields } from '../../src/base/log.ts';
import { LIMITS } from '../../src/limits.ts';
import { ANA_STATE_NAME, AnaState, AnaStates } from '../../src/target/ana.ts';
import { CntlidAllocator } from '../../src/target/cntlid.ts';
import type { Subsystem } from '../../src/target/subsystem.ts';
import { Target } from '../../src/target/target.ts';
import { ConnectionTable } from '../../src/transport/tcp/connection-table.ts';
import { TcpListener } from '../../src/transport/tcp/listener.ts';

const GROUP = 1;
const UUID = '6f3ed38a-b74b-4604-9109-566d037dabd9';

/** To stderr, one JSON line each: stdout belongs to the answers. */
function stderrLog(bound: LogFields = {}): Log {
  const write = (fields: LogFields, message: string): void => {
    process.stderr.write(`${JSON.stringify({ ...bound, ...fields, message })}\n`);
  };
  return {
    debug: () => {},
    info: write,
    warn: write,
    error: write,
    child: (more) => stderrLog({ ...bound, ...more }),
  };
}

/** A gateway as hosts see it: its groups' states, at an I/O and a discovery address. Resolves with the states. */
async function openGateway(
  target: Target,
  subsystem: Subsystem,
  number: number,
  address: string,
): Promise<AnaStates> {
  const ana = new AnaStates(LIMITS.maxAnaGroups);
  ana.set(GROUP, AnaState.inaccessible);
  const first = (number - 1) * LIMITS.cntlidsPerSlot + 1;
  const cntlids = new CntlidAllocator(first, first + LIMITS.cntlidsPerSlot - 1);
  const place = { adrfam: 'ipv4', traddr: address, ana, cntlids } as const;
  const io = target.addPort({ ...place, portId: number, trsvcid: '4420' });
  io.expose(subsystem);
  const discovery = target.addPort({ ...place, portId: 10 + number, trsvcid: '8009', discoveryOnly: true });
  const { icReqTimeoutMs, connectTimeoutMs } = LIMITS;
  const connectionTable = new ConnectionTable(LIMITS.maxConnections, systemTimers);
  for (const port of [io, discovery]) {
    const tcpPort = Number(port.trsvcid);
    await new TcpListener({
      target,
      port,
      address,
      tcpPort,
      connectionTable,
      icReqTimeoutMs,
      connectTimeoutMs,
    }).listen();
  }
  return ana;
}

function stateNamed(name: string): AnaState {
  const state = Object.values(AnaState).find((candidate) => ANA_STATE_NAME[candidate] === name);
  if (state === undefined) throw new Error(`no ANA state is called ${name}`);
  return state;
}

async function main([nqn, path, size, ...addresses]: string[]): Promise<void> {
  const target = new Target({ clock: systemClock, timers: systemTimers, log: stderrLog() });
  const subsystem = target.addSubsystem({
    nqn,
    serial: 'TWOPATHS',
    model: 'Anagate two paths',
    maxNamespaces: LIMITS.maxNamespacesPerSubsystem,
  });
  subsystem.allowHost('*');
  const sizeBytes = Number(size);
  const device = await openFileDevice({ path, create: true, sizeBytes, readOnly: false });
  const nguid = UUID.replaceAll('-', '');
  subsystem.addNamespace(
    { nsid: 1, uuid: UUID, nguid, anaGroupId: GROUP, blockSize: 512, sizeBytes },
    device,
  );

  const gateways: AnaStates[] = [];
  for (const [i, address] of addresses.entries())
    gateways.push(await openGateway(target, subsystem, i + 1, address));
  process.stdout.write('ready\n');

  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, gateway, state] = line.split(' ');
    const ana = gateways[Number(gateway) - 1];
    let done = true;
    if (verb === 'drain') done = await ana.drain(GROUP, systemTimers);
    else ana.set(GROUP, stateNamed(state));
    process.stdout.write(done ? 'ok\n' : 'cancelled\n');
  }
  process.exit(0); // the lab let go of stdin
}

await main(process.argv.slice(2));
