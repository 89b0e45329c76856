/** `anagate top`: what the hosts do, live. */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../base/clock.ts';
import { CallFailure } from '../client.ts';
import type { Verb } from '../command.ts';
import type { Session } from '../session.ts';
import {
  type Change,
  changeOf,
  ratesByGateway,
  ratesByNamespace,
  type Sample,
  sampleOf,
} from '../top/rates.ts';
import { type NamespaceRow, SORT_KEYS, type SortKey, sorted, type View, viewText } from '../top/view.ts';

const MAX_INTERVAL_S = 3600;
const MAX_ITERATIONS = 1_000_000_000;
/** How long another gateway of the group may take, ms. */
const PEER_LIMIT_MS = 3000;

export const top: Verb = {
  name: 'top',
  describe: 'Show IOPS, MB/s and latency of each gateway and namespace, live, until Ctrl-C',
  options: {
    interval: {
      alias: 'i',
      type: 'string',
      default: '2',
      requiresArg: true,
      describe: 'Seconds that each picture is about',
    },
    iterations: { type: 'string', requiresArg: true, describe: 'Pictures to show (default: until Ctrl-C)' },
    once: { type: 'boolean', describe: 'Show one picture, as --iterations 1' },
    sort: {
      choices: SORT_KEYS,
      default: 'iops',
      requiresArg: true,
      describe: 'Which namespaces come first',
    },
    all: { type: 'boolean', describe: 'Namespaces without I/O too' },
  },
  examples: [
    ['top', ''],
    ['top --sort latency --interval 5', ''],
    ['top --once --format json', 'for a program: rates of the next two seconds'],
  ],
  run: async (args, session) => {
    const intervalMs = args.integer('interval', 1, MAX_INTERVAL_S) * 1000;
    const asked = args.optionalInteger('iterations', 1, MAX_ITERATIONS);
    const iterations = args.flag('once') ? 1 : (asked ?? Number.POSITIVE_INFINITY);
    const sort = args.text('sort') as SortKey;
    try {
      const watch = await Watch.start(session);
      for (let i = 0; i < iterations; i++) {
        await sleep(intervalMs);
        show(await watch.next(sort, args.flag('all')), session);
      }
      return 0;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      session.output.error(`Failure watching I/O: ${error.message}`);
      return error.errno;
    }
  },
};

function show(view: View, { output }: Session): void {
  if (output.isDocument) {
    output.tree({
      status: 0,
      error_message: 'Success',
      at: new Date(view.atMs).toISOString(),
      gateways: view.gateways.map(named),
      namespaces: view.namespaces.map(named),
      silent: view.silent,
    });
  } else {
    output.picture(viewText(view, output, output.screen?.rows));
  }
}

/** With the names that documents have elsewhere: `read_iops`, `ana_group`. */
function named(row: object): object {
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [snake(name), value]));
}

/** The gateways of the group, and the last sample of each. */
class Watch {
  readonly #asked: Session;
  /** By name; the asked one first. */
  readonly #gateways: Map<string, Session>;
  #samples = new Map<string, Sample>();

  private constructor(asked: Session, gateways: Map<string, Session>) {
    this.#asked = asked;
    this.#gateways = gateways;
  }

  static async start(session: Session): Promise<Watch> {
    const [info, rows] = await Promise.all([
      session.ask('get_gateway_info', {}),
      session.ask('list_gateways', {}),
    ]);
    const gateways = new Map([[info.name, session]]);
    for (const { name, address, port, availability } of rows.gateways) {
      if (name === info.name || availability !== 'AVAILABLE') continue;
      gateways.set(name, session.at({ host: address, port }, PEER_LIMIT_MS));
    }
    const watch = new Watch(session, gateways);
    await watch.#sample();
    return watch;
  }

  /** What happened since it was last asked. */
  async next(sort: SortKey, all: boolean): Promise<View> {
    const before = this.#samples;
    const silent = await this.#sample();
    const changes: Change[] = [...this.#samples.values()].flatMap((after) => {
      const then = before.get(after.gateway);
      return (then && changeOf(then, after)) ?? [];
    });
    const { namespaces } = await this.#asked.ask('list_namespaces', { subsystem: '*' });
    const rates = ratesByNamespace(changes);
    const rows = namespaces.flatMap((one): NamespaceRow[] => {
      const found = rates.get(one.bdev_name);
      if (found === undefined || (!all && found.readIops + found.writeIops === 0)) return [];
      return [
        {
          subsystem: one.ns_subsystem_nqn ?? '',
          nsid: one.nsid,
          anaGroup: one.load_balancing_group,
          ...found,
        },
      ];
    });
    return {
      atMs: systemClock.wallMs(),
      gateways: [...ratesByGateway(changes)].map(([gateway, one]) => ({ gateway, ...one })),
      namespaces: sorted(rows, sort),
      silent,
    };
  }

  /** Those that do not answer; that the asked one does not is a CallFailure. */
  async #sample(): Promise<View['silent']> {
    const silent: View['silent'] = [];
    this.#samples = new Map();
    await Promise.all(
      [...this.#gateways].map(async ([name, session]) => {
        try {
          const info = await session.ask('list_namespaces_io_stats', {});
          if (info.status !== 0) throw new CallFailure(info.status, info.error_message, null);
          this.#samples.set(name, sampleOf(name, info));
        } catch (error) {
          if (session === this.#asked || !(error instanceof CallFailure)) throw error;
          silent.push({ gateway: name, why: error.message });
        }
      }),
    );
    return silent;
  }
}
