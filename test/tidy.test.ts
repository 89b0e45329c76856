/**
 * The house rules that a tool can check: direction of imports, purity of the inner layers, names, sizes, no traces of a
 * machine. Each failure names the file, the line, the rule and what to do. docs/architecture.md explains the layers.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { importsOf, lineOf, readSource } from './tidy-source.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * Layer -> the layers it may import, itself always included. An import points only downward; type-only ones count,
 * because they say who knows of whom just the same.
 */
const INNER = ['base'];
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  wire: INNER,
  target: ['wire', ...INNER],
  backend: ['node-rados', ...INNER],
  store: ['node-rados', ...INNER],
  monitor: ['store', 'node-rados', ...INNER],
  transport: ['target', 'wire', ...INNER],
  config: INNER,
  observe: ['target', 'wire', ...INNER],
  gateway: ['transport', 'monitor', 'backend', 'store', 'target', 'wire', 'config', ...INNER],
  control: ['gateway', 'monitor', 'config', ...INNER],
  cli: [
    'control',
    'gateway',
    'transport',
    'monitor',
    'backend',
    'store',
    'target',
    'wire',
    'config',
    'observe',
    ...INNER,
  ],
  main: [
    'cli',
    'control',
    'gateway',
    'transport',
    'monitor',
    'backend',
    'store',
    'target',
    'wire',
    'config',
    'observe',
    ...INNER,
  ],
  /** A package of its own: knows nothing of this project. Only the backends, stores and monitor providers may use it. */
  'node-rados': [],
};

/** Files directly in src/ that are not the composition root count as this layer. */
const TOP_LEVEL: Record<string, string> = { 'src/main.ts': 'main', 'src/limits.ts': 'base' };

/** Rooms inside src/gateway -> the ones below. The files outside the rooms stand above all of them. */
const GATEWAY_ROOMS: Record<string, readonly string[]> = {
  configuration: [],
  plans: ['configuration'],
  serving: ['configuration', 'plans'],
  group: ['configuration', 'plans', 'serving'],
  state: ['configuration', 'plans'],
};

const LINES_MAX = 600;
/** Says that a tool wrote the file; nobody reads it from top to bottom. */
const GENERATED = /^\/[/*][*\s]*(?:code )?generated\b/i;
/** Files allowed to be longer, with their length; the number may only go down. */
const LONGER: Record<string, number> = {};

const NETWORK = ['net', 'tls', 'dgram', 'http', 'https', 'http2', 'dns', 'cluster'];
const OUTSIDE_WORLD = [
  ...NETWORK,
  'fs',
  'fs/promises',
  'timers',
  'timers/promises',
  'child_process',
  'worker_threads',
];
/** Layer -> node: modules it must not touch; what it needs of them is handed in. */
const FORBIDDEN_MODULES: Record<string, readonly string[]> = {
  base: [...NETWORK, 'fs', 'fs/promises', 'child_process'],
  wire: OUTSIDE_WORLD,
  target: OUTSIDE_WORLD,
  monitor: [...NETWORK, 'timers', 'timers/promises', 'child_process'],
  backend: NETWORK,
  store: NETWORK,
  transport: ['fs', 'fs/promises', 'child_process'],
};

interface Rule {
  name: string;
  pattern: RegExp;
  layers: readonly string[];
  advice: string;
  /** Code that the pattern must find, and code that it must leave alone. */
  wrong: readonly string[];
  right: readonly string[];
}

const ALL_LAYERS = Object.keys(MAY_IMPORT);
const RULES: readonly Rule[] = [
  {
    name: 'time and chance are handed in',
    pattern:
      /\b(?:setTimeout|setInterval|Date\.now|Math\.random|performance\.now|process\.hrtime)\b|\bnew Date\(\s*\)/g,
    layers: ['wire', 'target', 'monitor', 'config'],
    advice: 'take a Clock or Timers (src/base/clock.ts) as an argument',
    wrong: [
      'setTimeout(f, 1)',
      'const t = Date.now();',
      'new Date()',
      'x = Math.random();',
      'performance.now()',
    ],
    right: ['clock.nowMs()', 'Math.round(x)', 'new Date(ms)'],
  },
  {
    name: 'no gathering of buffers on the data path',
    pattern: /\bBuffer\.concat\b/g,
    layers: ['wire', 'target', 'transport'],
    advice: 'write into a pooled buffer, or hand the parts to one cork',
    wrong: ['return Buffer.concat([a, b]);'],
    right: ['a.concat(b)'],
  },
  {
    name: 'no any',
    pattern: /(?:[:<|&,(=]|=>|\bas|\bextends)\s*any\b(?!\s*[:?(.])|\bany\[\]/g,
    layers: ALL_LAYERS,
    advice: 'name the type, or use unknown and check it',
    wrong: ['let a: any;', 'x as any', 'Map<string, any>', 'f(a: any)', 'any[]', 'a | any', '() => any'],
    right: ['const any = 1;', 'allowAny: boolean', 'x.any()', 'company: string'],
  },
  {
    name: 'no console',
    pattern: /\bconsole\s*\.|\bfrom\s+['"]node:console/g,
    layers: ALL_LAYERS,
    advice: 'log through the Log that is handed in; the CLI writes to process.stdout',
    wrong: ['console.log(1)', 'console.error(e)'],
    right: ['consoleLike(1)'],
  },
];

interface SourceFile {
  path: string;
  layer: string;
  text: string;
  uncommented: string;
  code: string;
}

/** What tools put below src; Git ignores it too. */
const MADE_BY_TOOLS = /(?:^|\/)node_modules(?:\/|$)|^src\/node-rados\/(?:build|dist)\//;

function filesUnder(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !MADE_BY_TOOLS.test(path))
    .sort();
}

function layerOf(path: string): string {
  const parts = path.split('/');
  return parts.length === 2 ? (TOP_LEVEL[path] ?? basename(path, '.ts')) : parts[1];
}

const isCode = (path: string): boolean => /\.(?:ts|mts|js|mjs|cjs)$/.test(path);

const sources: SourceFile[] = filesUnder('src')
  .filter(isCode)
  .map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return { path, layer: layerOf(path), text, ...readSource(text) };
  });
const ownFiles = ['src', 'test', 'scripts'].flatMap(filesUnder);

/** Tracked files and the ones about to be: what `git add` would take. */
function projectFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  return listed
    .toString()
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

/** Where a relative import of `from` leads, as a path in the repository. */
function targetOf(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

function mayImport(file: SourceFile, target: string): boolean {
  const layer = layerOf(target);
  return layer === file.layer || (MAY_IMPORT[file.layer]?.includes(layer) ?? false);
}

describe('direction of imports', () => {
  it('has every folder of src in the table of layers', () => {
    const unknown = [...new Set(sources.map((file) => file.layer))].filter((layer) => !(layer in MAY_IMPORT));
    expect(
      unknown,
      'folders of src without a place: add them to MAY_IMPORT here and to docs/architecture.md',
    ).toEqual([]);
  });

  it('points only downward', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file.uncommented)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier, line }) => ({ target: targetOf(file.path, specifier), line }))
        .filter(({ target }) => target.startsWith('src/') && !mayImport(file, target))
        .map(
          ({ target, line }) =>
            `${file.path}:${line} imports ${target}: ${file.layer} may import only ${[...MAY_IMPORT[file.layer]].join(', ') || 'nothing'}`,
        ),
    );
    expect(wrong, 'hand the thing in from above, or move the type down').toEqual([]);
  });

  it('points only downward inside src/gateway', () => {
    const roomOf = (path: string): string | null => /^src\/gateway\/([^/]+)\//.exec(path)?.[1] ?? null;
    const wrong = sources.flatMap((file) => {
      const room = roomOf(file.path);
      if (room === null) return [];
      const below = [room, ...(GATEWAY_ROOMS[room] ?? [])];
      return importsOf(file.uncommented)
        .map(({ specifier, line }) => ({ target: targetOf(file.path, specifier), line }))
        .filter(({ target }) => target.startsWith('src/gateway/') && !below.includes(roomOf(target) ?? ''))
        .map(
          ({ target, line }) =>
            `${file.path}:${line} imports ${target}: ${room} may import only ${below.join(', ')}`,
        );
    });
    expect(wrong, 'hand the thing in from above, or move the type down').toEqual([]);
  });

  it('stays inside src and leads to a file that exists, named with its extension', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file.uncommented)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier, line }) => ({ target: targetOf(file.path, specifier), line }))
        .filter(({ target }) => !target.startsWith('src/') || !existsSync(join(ROOT, target)))
        .map(({ target, line }) => `${file.path}:${line} imports ${target}, which is not a file of src`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps the outside world out of the inner layers', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file.uncommented)
        .filter(({ specifier }) => FORBIDDEN_MODULES[file.layer]?.includes(specifier.replace(/^node:/, '')))
        .map(
          ({ specifier, line }) =>
            `${file.path}:${line} imports ${specifier}: ${file.layer} has it handed in`,
        ),
    );
    expect(wrong).toEqual([]);
  });
});

describe('code', () => {
  for (const rule of RULES) {
    it(`${rule.name}: the pattern finds what it is for`, () => {
      expect(rule.wrong.filter((sample) => sample.search(rule.pattern) < 0)).toEqual([]);
      expect(rule.right.filter((sample) => sample.search(rule.pattern) >= 0)).toEqual([]);
    });

    it(rule.name, () => {
      const wrong = sources
        .filter((file) => rule.layers.includes(file.layer))
        .flatMap((file) =>
          [...file.code.matchAll(rule.pattern)].map(
            (match) => `${file.path}:${lineOf(file.code, match.index)} has "${match[0].trim()}"`,
          ),
        );
      expect(wrong, rule.advice).toEqual([]);
    });
  }
});

describe('names and sizes', () => {
  it('are kebab-case', () => {
    const kebab = /^\.?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/;
    const wrong = ownFiles
      .flatMap((path) => path.split('/').slice(1))
      .filter((part) => part !== 'README.md' && !kebab.test(part));
    expect([...new Set(wrong)], 'files and folders are lower case with hyphens').toEqual([]);
  });

  it('say what is inside', () => {
    const vague = /^(?:utils?|helpers?|index|misc|common|shared|stuff)(?:\.test)?\.[cm]?[jt]s$/;
    const wrong = ownFiles.filter((path) => vague.test(basename(path)));
    expect(wrong, 'one concept a file, named after the noun it exports').toEqual([]);
  });

  it(`fit ${LINES_MAX} lines`, () => {
    const wrong: string[] = [];
    for (const path of ownFiles.filter(isCode)) {
      const text = readFileSync(join(ROOT, path), 'utf8');
      if (GENERATED.test(text)) continue;
      const lines = text.split('\n').length - 1;
      const limit = LONGER[path] ?? LINES_MAX;
      if (lines > limit) wrong.push(`${path} has ${lines} lines, the limit is ${limit}: split it by concept`);
      if (path in LONGER && lines < limit)
        wrong.push(`${path} shrank to ${lines} lines: lower its number in LONGER`);
    }
    const gone = Object.keys(LONGER).filter((path) => !ownFiles.includes(path));
    expect([...wrong, ...gone.map((path) => `${path} is gone: take it out of LONGER`)]).toEqual([]);
  });

  it('put every test where a vitest project finds it', () => {
    const config = readFileSync(join(ROOT, 'vitest.config.ts'), 'utf8');
    const wrong = ownFiles
      .filter((path) => path.endsWith('.test.ts'))
      .filter((path) => {
        const [top, folder, deeper] = path.split('/');
        return top !== 'test' || (deeper !== undefined && !new RegExp(`[/{,]${folder}[/},]`).test(config));
      });
    expect(wrong, 'no project of vitest.config.ts includes these, so they never run').toEqual([]);
  });
});

describe('the repository', () => {
  it('bears no trace of the machine it was written on', () => {
    // Put together from pieces, so that this file does not match itself.
    const traces = [
      new RegExp(['(?<![\\w.-])/wo', 'rk/'].join('')),
      new RegExp(['\\.\\./sha', 'red\\b'].join('')),
      new RegExp(
        ['https?://[^\\s"\'`]*(?:npm', 'mirror|verdaccio|artifactory|nexus|:487[0-9])'].join(''),
        'i',
      ),
      new RegExp(['"resol', 'ved": *"https?://'].join('')),
      new RegExp(['https?://registry\\.npm', 'js\\.org'].join('')),
    ];
    const wrong = projectFiles()
      .map((path) => ({ path, bytes: readFileSync(join(ROOT, path)) }))
      .filter(({ bytes }) => !bytes.subarray(0, 8000).includes(0))
      .flatMap(({ path, bytes }) =>
        bytes
          .toString('utf8')
          .split('\n')
          .flatMap((line, at) =>
            traces.some((trace) => trace.test(line))
              ? [`${path}:${at + 1} ${line.trim().slice(0, 100)}`]
              : [],
          ),
      );
    expect(wrong, 'machine paths and registry addresses do not belong in the repository').toEqual([]);
  });

  it('has a place in docs/architecture.md for every folder of src', () => {
    const path = join(ROOT, 'docs/architecture.md');
    expect(existsSync(path), 'docs/architecture.md is missing').toBe(true);
    const text = readFileSync(path, 'utf8');
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    const missing = folders.map((entry) => `src/${entry.name}`).filter((folder) => !text.includes(folder));
    expect(missing, 'folders that docs/architecture.md does not mention').toEqual([]);
  });
});

describe('the reading of source text that these rules stand on', () => {
  it('blanks comments, strings and patterns, and keeps substitutions', () => {
    const substitution = '$' + '{Date.now()}';
    const text = `a; // setTimeout\nb = "Date.now"; /* x\ny */ c = /["/]Math/g; d = \`q ${substitution} w\`; e = 4 / 2 / 1;`;
    const { code, uncommented } = readSource(text);
    expect(code.length).toBe(text.length);
    expect(code).not.toMatch(/setTimeout|Math|x|y|q|w;/);
    expect(code.match(/Date\.now/g)).toHaveLength(1);
    expect(code).toContain('e = 4 / 2 / 1;');
    expect(uncommented).toContain('"Date.now"');
  });

  it('finds imports of all kinds', () => {
    const text = [
      "import a from './a.ts';",
      "import type { B } from './b.ts';",
      "import {\n  c,\n  type D,\n} from './c.ts';",
      "export { e } from './e.ts';",
      "export * from './f.ts';",
      "import './g.ts';",
      "const h = await import('./h.ts');",
      "// import i from './i.ts';",
      "export const j = 'not from here';",
    ].join('\n');
    const found = importsOf(readSource(text).uncommented);
    expect(found.map((one) => basename(one.specifier, '.ts'))).toEqual(['a', 'b', 'c', 'e', 'f', 'g', 'h']);
    expect(found.at(-1)?.line).toBe(10);
  });
});
