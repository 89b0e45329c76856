/** A made-up serial number: "AG" and 18 random digits. `random` gives a whole number from 0 to `below` - 1. */
export function newSerial(random: (below: number) => number): string {
  return `AG${Array.from({ length: 18 }, () => random(10)).join('')}`;
}
