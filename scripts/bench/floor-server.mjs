/**
 * The floor: the least that a Node server can do for such traffic. It takes 72-byte messages and answers 24 + n bytes, or
 * takes 72 + n and answers 24, in the best shape known: one reused receive buffer, one cork for each received chunk, data
 * from one shared buffer. It reads length, opcode and command id, and keeps, checks and remembers nothing.
 * With a size in MiB as argument it does keep data, in one piece of memory: writes are copied in, reads sent from their place.
 * Prints its port as JSON.
 */
import { createServer, Socket } from 'node:net';

const CAPSULE = 72;
const RECEIVE_BYTES = 256 * 1024;
const REPLY_BYTES = 24;
const OPCODE_READ = 0x02;
/** Reply headers, used in turn: one comes round again long after the socket took it. */
const REPLIES = 8192;

const KEEPS = process.argv[2] !== undefined;
const data = Buffer.alloc((KEEPS ? Number(process.argv[2]) : 1) * 1024 * 1024, 'floor');
const BLOCK_BYTES = 512;
const receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
const replies = Array.from({ length: REPLIES }, () => Buffer.allocUnsafeSlow(REPLY_BYTES).fill(0));
let nextReply = 0;
/** The part of `data` that the latest reply carried: most want the same. */
let view = data;

class FloorConnection {
  #socket;
  #piece = Buffer.alloc(CAPSULE);
  #pieceBytes = 0;
  #skip = 0;
  /** Where the data that is being received belongs. */
  #place = 0;

  attach(socket) {
    this.#socket = socket;
  }

  consume(length, chunk) {
    this.#socket.cork();
    let at = 0;
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at);
        if (KEEPS) chunk.copy(data, this.#place, at, at + step);
        this.#place += step;
        this.#skip -= step;
        at += step;
        if (this.#skip === 0) this.#acknowledge();
      } else if (this.#pieceBytes === 0 && length - at >= CAPSULE) {
        this.#take(chunk, at);
        at += CAPSULE;
      } else {
        const step = Math.min(CAPSULE - this.#pieceBytes, length - at);
        chunk.copy(this.#piece, this.#pieceBytes, at, at + step);
        this.#pieceBytes += step;
        at += step;
        if (this.#pieceBytes === CAPSULE) {
          this.#pieceBytes = 0;
          this.#take(this.#piece, 0);
        }
      }
    }
    this.#socket.uncork();
    return true;
  }

  #cid = 0;

  #take(chunk, at) {
    const plen = chunk[at + 4] | (chunk[at + 5] << 8) | (chunk[at + 6] << 16) | (chunk[at + 7] << 24);
    this.#cid = chunk[at + 10] | (chunk[at + 11] << 8);
    this.#skip = plen - CAPSULE;
    if (KEEPS) {
      const block = chunk[at + 48] | (chunk[at + 49] << 8) | (chunk[at + 50] << 16) | (chunk[at + 51] << 24);
      this.#place = (block * BLOCK_BYTES) % data.length;
    }
    if (chunk[at + 8] === OPCODE_READ) {
      const bytes = chunk[at + 40] | (chunk[at + 41] << 8) | (chunk[at + 42] << 16);
      this.#socket.write(this.#reply(0x07, 0x0c, REPLY_BYTES + bytes, 8));
      if (KEEPS) view = data.subarray(this.#place, this.#place + bytes);
      else if (view.length !== bytes) view = data.subarray(0, bytes);
      this.#socket.write(view);
    } else if (this.#skip === 0) this.#acknowledge();
  }

  #acknowledge() {
    this.#socket.write(this.#reply(0x05, 0, REPLY_BYTES, 20));
  }

  #reply(type, flags, plen, cidAt) {
    const reply = replies[nextReply];
    nextReply = (nextReply + 1) % REPLIES;
    reply[0] = type;
    reply[1] = flags;
    reply[2] = REPLY_BYTES;
    reply[4] = plen;
    reply[5] = plen >> 8;
    reply[6] = plen >> 16;
    reply[cidAt] = this.#cid;
    reply[cidAt + 1] = this.#cid >> 8;
    return reply;
  }
}

const server = createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
  const connection = new FloorConnection();
  // net.createServer has no onread option: take the handle over.
  const handle = accepted._handle;
  accepted._handle = null;
  const onread = { buffer: receiveBuffer, callback: (length, chunk) => connection.consume(length, chunk) };
  const socket = new Socket({ handle, onread });
  connection.attach(socket);
  socket.on('error', () => socket.destroy());
  socket.resume();
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
