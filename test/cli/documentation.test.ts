/** docs/cli.md, docs/compatibility.md and docs/proof.md say what there is. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { aliasesOf, type Command, isNoun, type Verb } from '../../src/cli/command.ts';
import { GLOBAL_OPTIONS } from '../../src/cli/command-line.ts';
import { commands } from '../../src/cli/commands/registry.ts';
import { gatewayPackage, gatewayService } from '../../src/control/gateway-proto.ts';
import { unsupportedRpcs } from '../../src/control/unsupported.ts';
import { runCli } from './run-cli.ts';

const ECONNREFUSED = 111;

function read(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
}

describe('docs/cli.md', () => {
  const page = read('cli.md');
  /** The text under one heading. */
  const section = (heading: string) =>
    page
      .split(/^(?=##+ )/m)
      .find((part) => part.startsWith(`${heading}\n`) || part.startsWith(`${heading} (`)) ?? '';
  const verbsOf = (command: Command): [heading: string, verb: Verb][] =>
    isNoun(command)
      ? command.verbs.map((verb) => [`### ${command.name} ${verb.name}`, verb])
      : [[`## ${command.name}`, command]];

  it.each(commands.flatMap(verbsOf))('has %s with every option and no other', (heading, verb) => {
    const documented = [...section(heading).matchAll(/^\| (`--.*?) [(|]/gm)];
    const expected = Object.entries(verb.options).map(([name, option]) => [name, ...aliasesOf(option)]);
    expect(section(heading)).toContain(verb.describe);
    expect(documented.map(([, names]) => names.match(/[a-z][a-z-]*/g))).toEqual(expected);
  });

  it('has the options of all commands', () => {
    const text = section('## What all commands have in common');
    for (const option of Object.keys(GLOBAL_OPTIONS)) expect(text).toContain(`\`--${option}\``);
  });

  it('has headings for commands only', () => {
    const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, heading]) => `### ${heading}`);
    expect(headings).toEqual(
      commands.filter(isNoun).flatMap((noun) => verbsOf(noun).map(([heading]) => heading)),
    );
  });

  it('has examples that are accepted', { timeout: 60_000 }, async () => {
    const nobody = { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: '1' };
    const examples = [...page.matchAll(/^npx anagate (.+)$/gm)].map(([, line]) => line);
    expect(examples.length).toBeGreaterThan(20);
    // Those would look for a Ceph cluster, or for a directory of this machine.
    for (const example of examples.filter((line) => !/--from-ceph-nvmeof|--offline/.test(line))) {
      const line = example
        .replaceAll("'", '')
        .replaceAll(/\/root\/\S+/g, 'package.json')
        .replace('--server-address 192.0.2.10', '--server-address 127.0.0.1')
        .replace('/etc/anagate.conf', '/dev/null');
      const { status, err } = await runCli(line, nobody);
      expect([0, ECONNREFUSED], `${example}: ${err}`).toContain(status);
    }
  });
});

describe('docs/proof.md', () => {
  it('names tests that there are', () => {
    const files = [...read('proof.md').matchAll(/`([\w/-]+(?:\.\w+)*\.test\.ts)`/g)].map(([, file]) => file!);
    expect(files.length).toBeGreaterThan(50);
    const missing = files.filter((file) => !existsSync(new URL(`../${file}`, import.meta.url)));
    expect(missing).toEqual([]);
  });
});

describe('docs/compatibility.md', () => {
  const rows = [...read('compatibility.md').matchAll(/^\| `(\w+)` \| (yes|partly|no|ENOTSUP) \|/gm)];
  const table = new Map(rows.map(([, rpc, supported]) => [rpc, supported]));

  it('has every RPC once', () => {
    expect([...table.keys()].sort()).toEqual(Object.keys(gatewayService).sort());
    expect(rows).toHaveLength(table.size);
  });

  it('says of each whether it is supported', () => {
    for (const [rpc, supported] of table) {
      const refused = rpc === 'set_ana_state' ? 'no' : 'ENOTSUP';
      expect(supported === 'yes' || supported === 'partly', rpc).toBe(!(rpc in unsupportedRpcs));
      if (rpc in unsupportedRpcs) expect(supported, rpc).toBe(refused);
    }
  });

  it("has every field of Anagate's own", () => {
    const messages = Object.values(gatewayPackage) as {
      type?: { field?: { name: string; number: number }[] };
    }[];
    const own = messages
      .flatMap((message) => message.type?.field ?? [])
      .filter((field) => field.number >= 1000);
    expect(own.length).toBeGreaterThan(6);
    for (const { name, number } of own) expect(read('compatibility.md')).toContain(`\`${name}\` = ${number}`);
  });
});
