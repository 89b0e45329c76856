/** Documents as Python would write them, for ast.literal_eval. */

/** The same document as JSON's, in one line. */
export function pythonLiteral(document: object): string {
  return literal(JSON.parse(JSON.stringify(document)));
}

/** Of what JSON has. Its strings are strings in Python as well. */
function literal(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${literal(field)}`);
  return `{${fields.join(', ')}}`;
}
