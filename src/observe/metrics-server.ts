/**
 * The Prometheus page, HTTP or HTTPS. Made so that a scrape never stalls I/O: the text comes in slices of about a millisecond
 * with a turn of the event loop between them, goes out no faster than the scraper reads, and one scrape runs at a time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { CONTENT_TYPE, sliced } from './exposition.ts';
import type { MetricsSource } from './metrics-source.ts';
import { objectMetrics } from './object-metrics.ts';
import { fixedMetrics } from './process-metrics.ts';

/** PEM. */
export interface KeyPair {
  key: Buffer;
  cert: Buffer;
}

export interface MetricsServerOptions {
  /** Numeric address to listen on. */
  address: string;
  /** TCP port; 0 takes a free one. */
  port: number;
  source: MetricsSource;
  log: Log;
  /** Absent: plain HTTP. */
  keyPair?: KeyPair;
  /** A scraper that has not read its page after this long is dropped, milliseconds. Default 30 s. */
  scrapeLimitMs?: number;
}

export interface MetricsServer {
  readonly address: string;
  /** The port listened on. */
  readonly port: number;
  /** HTTPS uses another pair from now on. */
  renew(keyPair: KeyPair): void;
  /** Drops scrapers and resolves when the port is free. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 32;
/** Scrapes that may wait for the running one; more are told to come back. */
const WAITING_MAX = 8;
const REQUEST_LIMIT_MS = 5_000;
const SCRAPE_LIMIT_MS = 30_000;

/** Listens and resolves; rejects with ADDRESS_IN_USE or ADDRESS_NOT_AVAILABLE. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const scraper = new Scraper(options);
  const limits = { requestTimeout: REQUEST_LIMIT_MS, headersTimeout: REQUEST_LIMIT_MS, maxHeaderSize: 8192 };
  const answer = (request: IncomingMessage, response: ServerResponse) =>
    void scraper.answer(request, response);
  const { keyPair } = options;
  const server =
    keyPair === undefined
      ? createServer(limits, answer)
      : createSecureServer({ ...limits, ...keyPair }, answer);
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.address, options.port);
  server.on('error', (err) => options.log.warn({ err }, 'metrics server failed'));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  return {
    address: options.address,
    port,
    renew: (pair) => {
      if ('setSecureContext' in server) server.setSecureContext(pair);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) => {
      const code = err.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'ADDRESS_NOT_AVAILABLE';
      reject(
        new AnagateError(code, `metrics cannot listen on ${address} port ${port}: ${err.message}`, {
          cause: err,
        }),
      );
    });
    server.listen({ host: address, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** Answers requests; pages one after another. */
class Scraper {
  readonly #source: MetricsSource;
  readonly #log: Log;
  readonly #limitMs: number;
  readonly #fixed: ReturnType<typeof fixedMetrics>;
  #waiting = 0;
  /** Settles when the scrape that came last is over; never rejects. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: MetricsServerOptions) {
    this.#source = options.source;
    this.#log = options.log;
    this.#limitMs = options.scrapeLimitMs ?? SCRAPE_LIMIT_MS;
    this.#fixed = fixedMetrics(options.source);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(response, 405, 'only GET', { allow: 'GET, HEAD' });
    }
    if (path !== '/metrics') return refuse(response, 404, 'metrics are at /metrics');
    if (request.method === 'HEAD')
      return void response.writeHead(200, { 'content-type': CONTENT_TYPE }).end();
    if (this.#waiting >= WAITING_MAX)
      return refuse(response, 503, 'too many scrapes at once', { 'retry-after': '5' });
    this.#waiting++;
    const scrape = this.#last.then(() => {
      this.#waiting--;
      return this.#scrape(response);
    });
    this.#last = scrape;
    await scrape;
  }

  async #scrape(response: ServerResponse): Promise<void> {
    const limit = setTimeout(() => response.destroy(), this.#limitMs);
    try {
      const fixed = await this.#fixed.metrics();
      response.writeHead(200, { 'content-type': CONTENT_TYPE });
      await send(response, fixed);
      for (const slice of sliced(objectMetrics(this.#source), () => performance.now())) {
        if (response.destroyed) return;
        await send(response, slice);
        await nextTurn();
      }
      response.end();
    } catch (err) {
      this.#log.error({ err }, 'metrics page failed');
      // Half a page must not pass for a whole one: cut the connection.
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'failed, see the log');
    } finally {
      clearTimeout(limit);
    }
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
}

/** Writes, and waits while the scraper does not read; returns as well when it is gone. */
async function send(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed || response.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
