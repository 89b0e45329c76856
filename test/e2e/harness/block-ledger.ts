/**
 * What a writer knows of its blocks: which numbered write was issued last, and which has been acknowledged. A read is right when
 * it shows a write no older than the last acknowledged (or shown by another read) before the read began, and no newer than
 * the last issued before it ended. The same rules as verifying-writer.c, for our own initiator.
 */
export const BLOCK_BYTES = 4096;
const HEADER_BYTES = 32;
const MAGIC = Buffer.from('anagate.');

interface Block {
  nsid: number;
  lba: number;
  issued: number;
  acknowledged: number;
  /** A write is under way: a block has one at a time. */
  busy: boolean;
}

/** A read under way. */
export interface Expectation {
  readonly block: Block;
  readonly least: number;
}

export class BlockLedger {
  readonly #blocks: Block[] = [];
  readonly complaints: string[] = [];

  add(nsid: number, blocks: number): void {
    for (let lba = 0; lba < blocks; lba++)
      this.#blocks.push({ nsid, lba, issued: 0, acknowledged: 0, busy: false });
  }

  get blocks(): readonly Readonly<Block>[] {
    return this.#blocks;
  }

  /** Numbers the next write of a block, and says what it writes. */
  issue(index: number): Buffer {
    const block = this.#blocks[index];
    if (block.busy) throw new Error('one write at a time');
    block.busy = true;
    block.issued += 1;
    return compose(block, block.issued);
  }

  acknowledge(index: number): void {
    const block = this.#blocks[index];
    block.busy = false;
    block.acknowledged = Math.max(block.acknowledged, block.issued);
  }

  expect(index: number): Expectation {
    const block = this.#blocks[index];
    return { block, least: block.acknowledged };
  }

  /** Judges what a read that began with `expectation` has brought. */
  judge({ block, least }: Expectation, data: Buffer): void {
    const shown = Number(data.readBigUInt64LE(24));
    const where = `namespace ${block.nsid} block ${block.lba}`;
    if (!data.equals(compose(block, shown)))
      this.complaints.push(
        `${where} shows what was never written there: ${data.toString('hex', 0, HEADER_BYTES)}`,
      );
    else if (shown < least || shown > block.issued)
      this.complaints.push(
        `${where} shows write ${shown}, acknowledged was ${least}, issued ${block.issued}`,
      );
    else block.acknowledged = Math.max(block.acknowledged, shown);
  }
}

function compose({ nsid, lba }: Block, number: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(nsid, 8);
  header.writeUInt32LE(lba, 16);
  header.writeBigUInt64LE(BigInt(number), 24);
  return Buffer.alloc(BLOCK_BYTES, header); // repeated in every sector and word: a torn block shows
}
