/** A strict reader of the Prometheus text format 0.0.4, written from its definition: anything a scraper might stumble over throws. */

export interface Sample {
  name: string;
  labels: Map<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VALUE = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: Family | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name, help] = /^# HELP (\S+) (.*)$/.exec(line) ?? fail(line);
      if (!NAME.test(name)) fail(line);
      if (families.has(name)) throw new Error(`family ${name} begins twice`);
      if (/\\(?![\\n])/.test(help)) fail(line);
      current = { name, type: '', help, samples: [] };
      families.set(name, current);
    } else if (line.startsWith('# TYPE ')) {
      const [, name, type] =
        /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? fail(line);
      if (current?.name !== name || current.type !== '' || current.samples.length > 0) {
        throw new Error(`TYPE of ${name} does not follow its HELP`);
      }
      current.type = type;
    } else if (line.startsWith('#')) {
      fail(line);
    } else {
      const sample = parseSample(line);
      if (current === undefined || !belongs(sample, current)) throw new Error(`outside its family: ${line}`);
      const key = `${sample.name}{${[...sample.labels].map(([k, v]) => `${k}=${JSON.stringify(v)}`).sort()}}`;
      if (seen.has(key)) throw new Error(`series twice: ${key}`);
      seen.add(key);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) check(family);
  return families;
}

function fail(line: string): never {
  throw new Error(`not the text format: ${line}`);
}

function parseSample(line: string): Sample {
  const name = /^[^{ ]*/.exec(line)?.[0] ?? '';
  if (!NAME.test(name)) fail(line);
  const labels = new Map<string, string>();
  let at = name.length;
  if (line[at] === '{') {
    at++;
    while (line[at] !== '}') {
      const equals = line.indexOf('="', at);
      const label = line.slice(at, equals);
      if (equals < 0 || !LABEL.test(label) || labels.has(label)) fail(line);
      at = equals + 2;
      let value = '';
      while (line[at] !== '"') {
        if (at >= line.length) fail(line);
        if (line[at] === '\\') {
          at++;
          const escaped = { '\\': '\\', '"': '"', n: '\n' }[line[at]];
          if (escaped === undefined) fail(line);
          value += escaped;
        } else value += line[at];
        at++;
      }
      labels.set(label, value);
      at++;
      if (line[at] === ',') at++;
      else if (line[at] !== '}') fail(line);
    }
    at++;
  }
  const rest = line.slice(at);
  if (rest[0] !== ' ' || !VALUE.test(rest.slice(1))) fail(line);
  return { name, labels, value: Number(rest.slice(1).replace('Inf', 'Infinity')) };
}

function belongs(sample: Sample, family: Family): boolean {
  if (family.type !== 'histogram') return sample.name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => sample.name === family.name + suffix);
}

function check(family: Family): void {
  if (family.type === '') throw new Error(`${family.name} has no TYPE`);
  if (family.type === 'counter') {
    if (!family.name.endsWith('_total')) throw new Error(`counter ${family.name} does not end in _total`);
    if (family.samples.some((sample) => !(sample.value >= 0)))
      throw new Error(`counter ${family.name} below zero`);
  }
  if (family.type === 'histogram') checkHistogram(family);
}

function checkHistogram(family: Family): void {
  const series = new Map<string, { bounds: number[]; counts: number[]; sum?: number; count?: number }>();
  for (const { name, labels, value } of family.samples) {
    const key = JSON.stringify([...labels].filter(([label]) => label !== 'le').sort());
    const one = series.get(key) ?? { bounds: [], counts: [] };
    series.set(key, one);
    if (name.endsWith('_bucket')) {
      one.bounds.push(Number((labels.get('le') ?? 'none').replace('+Inf', 'Infinity')));
      one.counts.push(value);
    } else if (name.endsWith('_sum')) one.sum = value;
    else one.count = value;
  }
  for (const [key, one] of series) {
    const ascending = (list: number[], strictly: boolean): boolean =>
      list.every((n, i) => i === 0 || (strictly ? n > list[i - 1] : n >= list[i - 1]));
    const whole = one.bounds.at(-1) === Number.POSITIVE_INFINITY && one.sum !== undefined;
    if (
      !whole ||
      !ascending(one.bounds, true) ||
      !ascending(one.counts, false) ||
      one.counts.at(-1) !== one.count
    ) {
      throw new Error(`histogram ${family.name}${key} is not one`);
    }
  }
}
