/**
 * Enough of a reading of TypeScript source for the tidy test: which characters are code, and what a file imports.
 * Not a parser; TypeScript 7 has none that JavaScript could call, and these rules need none.
 */

const Part = {
  code: 0,
  lineComment: 1,
  blockComment: 2,
  single: 3,
  double: 4,
  template: 5,
  regex: 6,
} as const;
type Kind = (typeof Part)[keyof typeof Part];

/** A slash begins a regular expression, not a division, after one of these (or at the start of the file). */
const REGEX_MAY_FOLLOW = /(?:^|[=(,:;!&|?{}[+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|delete))\s*$/;

/** The text with comments blanked, and a second one with the contents of strings and patterns blanked too. Same length and lines. */
export function readSource(text: string): { uncommented: string; code: string } {
  const keep: Kind[] = new Array(text.length);
  /** One entry for each template we are inside of: how deep in braces its `${` is. */
  const templates: number[] = [];
  let braces = 0;
  let i = 0;
  const mark = (kind: Kind, until: number): void => {
    for (; i < until && i < text.length; i++) keep[i] = kind;
  };
  const quoted = (kind: Kind, quote: string): void => {
    let end = i + 1;
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
    mark(kind, end + 1);
  };
  const pattern = (): void => {
    let end = i + 1;
    let inClass = false;
    while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
      if (text[end] === '[') inClass = true;
      if (text[end] === ']') inClass = false;
      end += text[end] === '\\' ? 2 : 1;
    }
    mark(Part.regex, end + 1);
  };
  /** From a backtick, or from the brace that closes a substitution, to the next of either. */
  const template = (): void => {
    let end = i + 1;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1;
    const substitution = text[end] === '$';
    mark(Part.template, end + (substitution ? 2 : 1));
    if (substitution) templates.push(braces);
  };
  while (i < text.length) {
    const c = text[i];
    if (text.startsWith('//', i)) mark(Part.lineComment, lineEnd(text, i));
    else if (text.startsWith('/*', i)) mark(Part.blockComment, endOf(text, '*/', i + 2));
    else if (c === "'") quoted(Part.single, c);
    else if (c === '"') quoted(Part.double, c);
    else if (c === '`') template();
    else if (c === '}' && templates.at(-1) === braces) {
      templates.pop();
      template();
    } else if (c === '/' && REGEX_MAY_FOLLOW.test(text.slice(Math.max(0, i - 40), i))) pattern();
    else {
      if (c === '{') braces++;
      if (c === '}') braces--;
      mark(Part.code, i + 1);
    }
  }
  const only = (wanted: (kind: Kind) => boolean): string =>
    [...text.split('')].map((c, at) => (c === '\n' || wanted(keep[at]) ? c : ' ')).join('');
  return {
    uncommented: only((kind) => kind !== Part.lineComment && kind !== Part.blockComment),
    code: only((kind) => kind === Part.code),
  };
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at < 0 ? text.length : at;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length;
}

/** One import of a file, type-only and dynamic ones too. */
export interface Import {
  specifier: string;
  line: number;
}

const IMPORT =
  /\b(?:import|export)\s[^;'"`]*?\bfrom\s*(['"])([^'"\n]+)\1|\bimport\s*\(?\s*(['"])([^'"\n]+)\3/g;

export function importsOf(uncommented: string): Import[] {
  return [...uncommented.matchAll(IMPORT)].map((match) => ({
    specifier: match[2] ?? match[4],
    line: lineOf(uncommented, match.index),
  }));
}

/** 1-based line of an offset. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
