/**
 * Random gateways, operators and leaders: what has to hold at every step, and that all is well again once things calm down.
 * MACHINE_SEEDS says how many, MACHINE_SEED which first.
 */
import { describe, expect, it } from 'vitest';
import { decodeMap, encodeMap } from '../../src/monitor/map-codec.ts';
import { Chaos } from './machine-chaos.ts';

const SEEDS = Number(process.env.MACHINE_SEEDS ?? 300);
const FIRST = Number(process.env.MACHINE_SEED ?? 1);

describe('random gateways', () => {
  it(`keep every invariant, and end well, with ${SEEDS} seeds`, () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      try {
        const chaos = new Chaos(seed);
        chaos.run(80);
        expect(decodeMap(encodeMap(chaos.rig.map))).toEqual(chaos.rig.map);
        chaos.calmDown();
        chaos.expectWell();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  }, 900_000);

  it('are decided on by a pure function', () => {
    for (let seed = FIRST; seed < FIRST + 20; seed += 1) {
      const chaos = new Chaos(seed);
      chaos.rig.checksPurity = true;
      chaos.run(80);
    }
  }, 120_000);
});
