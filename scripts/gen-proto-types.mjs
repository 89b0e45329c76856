/**
 * Writes src/control/gateway-types.ts, the TypeScript face of proto/gateway.proto.
 *
 *   node scripts/gen-proto-types.mjs           write the file
 *   node scripts/gen-proto-types.mjs --check   exit 1 when the file is not what would be written
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protoLoader from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../proto/gateway.proto', import.meta.url));
const OUTPUT = fileURLToPath(new URL('../src/control/gateway-types.ts', import.meta.url));

const HEADER = `/**
 * Generated from proto/gateway.proto by scripts/gen-proto-types.mjs: do not edit.
 *
 * Messages as they come off the wire: a field without \`?\` is always there (with its default when it was not sent), one with
 * \`?\` only when it was sent. A sender may leave out any field: {@link Sent}.
 */

/** A 64-bit integer: a decimal string when received, either when sent. */
export type Int64 = string | number;

/** A message as a sender may write it. */
export type Sent<T> = { [K in keyof T]?: T[K] | undefined };
`;

const SCALARS = {
  TYPE_STRING: 'string',
  TYPE_BOOL: 'boolean',
  TYPE_INT32: 'number',
  TYPE_UINT32: 'number',
  TYPE_INT64: 'Int64',
  TYPE_UINT64: 'Int64',
  TYPE_DOUBLE: 'number',
  TYPE_BYTES: 'Buffer',
};

/** namespace_add_req -> NamespaceAddReq; GwLogLevel stays. */
function typeName(protoName) {
  return protoName.replace(/(^|_)([a-zA-Z])/g, (_, __, letter) => letter.toUpperCase());
}

function enumText({ name, value }) {
  const names = value.map((v) => `'${v.name}'`).join(' | ');
  return `/** A number is a value that this proto file does not know. */\nexport type ${typeName(name)} = ${names} | number;\n`;
}

function fieldText(message, field) {
  let type = SCALARS[field.type];
  if (field.type === 'TYPE_MESSAGE' || field.type === 'TYPE_ENUM')
    type = typeName(field.typeName.replace(/^\./, ''));
  if (type === undefined)
    throw new Error(`${message.name}.${field.name}: no TypeScript type for ${field.type}`);
  if (field.label === 'LABEL_REPEATED') return `  ${field.name}: ${type}[];\n`;
  if (message.oneofDecl.some((oneof) => oneof.name === `_${field.name}`))
    return `  ${field.name}?: ${type};\n`;
  return field.type === 'TYPE_MESSAGE' ? `  ${field.name}: ${type} | null;\n` : `  ${field.name}: ${type};\n`;
}

function messageText(message) {
  const name = typeName(message.name);
  if (message.field.length === 0) return `export type ${name} = Record<string, never>;\n`;
  return `export interface ${name} {\n${message.field.map((f) => fieldText(message, f)).join('')}}\n`;
}

function serviceText(service) {
  const rpcs = Object.entries(service).map(
    ([name, rpc]) =>
      `  ${name}: {\n` +
      `    request: ${typeName(rpc.requestType.type.name)};\n` +
      `    answer: ${typeName(rpc.responseType.type.name)};\n  };\n`,
  );
  return `/** The RPCs of service Gateway. */\nexport interface GatewayRpcs {\n${rpcs.join('')}}\n`;
}

function generate() {
  const definition = protoLoader.loadSync(PROTO, { keepCase: true });
  const types = Object.entries(definition).filter(([name]) => name !== 'Gateway');
  const enums = types.filter(([, d]) => d.format.includes('EnumDescriptor')).map(([, d]) => enumText(d.type));
  const messages = types
    .filter(([, d]) => !d.format.includes('EnumDescriptor'))
    .map(([, d]) => messageText(d.type));
  return [HEADER, ...enums, ...messages, serviceText(definition.Gateway)].join('\n');
}

const text = generate();
if (process.argv.includes('--check')) {
  if (readFileSync(OUTPUT, 'utf8') !== text) {
    process.stderr.write(`${OUTPUT} is out of date: run node scripts/gen-proto-types.mjs\n`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(OUTPUT, text);
}
