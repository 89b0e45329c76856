/**
 * Mutual TLS of the management port, as ceph-nvmeof has it: the server shows `server_cert` and lets in whoever has a certificate
 * that it trusts; clients show `client_cert` and trust the server's. Trusted is what `root_ca_cert` signed, or without it the one
 * certificate of the other side itself. Files are PEM; they may be replaced at any time, see {@link TlsServerCredentials.renew} and
 * {@link renewedClientTls}.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContextOptions,
} from 'node:tls';
import { type ChannelCredentials, credentials, ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** Paths of a server's files. */
export interface ServerTlsFiles {
  key: string;
  cert: string;
  /** Certificates whose holders, and holders of what they signed, are let in. */
  trusted: string;
}

/** Paths of a client's files; `trusted` says which servers are believed. */
export type ClientTlsFiles = ServerTlsFiles;

/** How a client speaks to a server at `host`. */
export interface ChannelSecurity {
  credentials: ChannelCredentials;
  options: Record<string, string | number>;
}

/** Makes that for each server; null is in the clear. */
export type ClientTls = (host: string) => ChannelSecurity;

export const inTheClear: ClientTls = () => ({ credentials: credentials.createInsecure(), options: {} });

/** Same kind of file as `trusted` of the other side: bytes that were checked. */
interface Material {
  key: Buffer;
  cert: Buffer;
  ca: Buffer;
}

/** What a server shows and whom it lets in, which may change while it listens. */
export interface TlsServerCredentials extends ServerCredentials {
  /** Reads the files again, for connections from now on. @throws as {@link serverCredentials}; what was read before stays then */
  renew(nowMs: number): void;
}

/**
 * Lets in only clients that show a certificate which is trusted.
 * @throws AnagateError INVALID_ARGUMENT that names the file: it cannot be read, is not PEM, the key is not the certificate's, or it has
 *     expired, or is not valid yet
 */
export function serverCredentials(files: ServerTlsFiles, nowMs: number): TlsServerCredentials {
  return new MutualTls(files, nowMs);
}

function readForServer(files: ServerTlsFiles, nowMs: number): Material {
  const material = readMaterial(files, nowMs);
  const certificates = certificatesIn(material.ca);
  // Node's TLS servers trust roots only.
  if (!certificates.some((certificate) => certificate.checkIssued(certificate))) {
    const issuer = certificates[0]!.issuer.replaceAll('\n', ', ');
    refuse(
      `the certificate in ${files.trusted} is signed by ${issuer}, which has to be trusted then: name its certificate as root_ca_cert`,
    );
  }
  return material;
}

/** @throws as {@link serverCredentials} */
export function clientTls(files: ClientTlsFiles, nowMs: number): ClientTls {
  const material = readMaterial(files, nowMs);
  const context = createSecureContext({
    ...material,
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
  });
  const pinned = certificatesIn(material.ca).map((certificate) => certificate.raw);
  return (host) => ({
    credentials: credentials.createFromSecureContext(context, {
      // A certificate that was handed over as the server's own needs no name; one that an authority signed does.
      checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
        pinned.some((known) => known.equals(certificate.raw))
          ? undefined
          : checkServerIdentity(host, certificate),
    }),
    // An address is no name that TLS could send.
    options: isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': 'gateway' },
  });
}

/** As {@link clientTls}, with the files as they are whenever a server is to be spoken to; those before while they cannot be used. */
export function renewedClientTls(files: ClientTlsFiles, clock: Clock, log: Log): ClientTls {
  let current = clientTls(files, clock.wallMs());
  return (host) => {
    try {
      current = clientTls(files, clock.wallMs());
    } catch (err) {
      log.warn({ err }, 'certificates cannot be read again; those from before stay in use');
    }
    return current(host);
  };
}

/** grpc-js's own has no oldest version. */
class MutualTls extends ServerCredentials implements TlsServerCredentials {
  readonly #files: ServerTlsFiles;

  constructor(files: ServerTlsFiles, nowMs: number) {
    super({ requestCert: true, rejectUnauthorized: true }, contextOf(readForServer(files, nowMs)));
    this.#files = files;
  }

  renew(nowMs: number): void {
    this.updateSecureContextOptions(contextOf(readForServer(this.#files, nowMs)));
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

function contextOf({ key, cert, ca }: Material): SecureContextOptions {
  return { key, cert, ca, minVersion: 'TLSv1.2' };
}

function readMaterial({ key, cert, trusted }: ServerTlsFiles, nowMs: number): Material {
  const own = readKeyPair({ key, cert }, nowMs);
  const ca = readPem(trusted);
  checkedCertificates(trusted, ca, nowMs);
  return { ...own, ca };
}

/** The bytes of a certificate and its key. @throws as {@link serverCredentials} */
export function readKeyPair(
  { key, cert }: { key: string; cert: string },
  nowMs: number,
): { key: Buffer; cert: Buffer } {
  const pair = { key: readPem(key), cert: readPem(cert) };
  const [own] = checkedCertificates(cert, pair.cert, nowMs);
  if (!own!.checkPrivateKey(privateKey(key, pair.key)))
    refuse(`the key in ${key} is not that of the certificate in ${cert}`);
  return pair;
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return refuse(`${path} cannot be read: ${(error as Error).message}`, error);
  }
}

function privateKey(path: string, bytes: Buffer): KeyObject {
  try {
    return createPrivateKey(bytes);
  } catch (error) {
    return refuse(`${path} holds no private key that can be used (PEM, without passphrase)`, error);
  }
}

/** At least one. */
function checkedCertificates(path: string, bytes: Buffer, nowMs: number): X509Certificate[] {
  let certificates: X509Certificate[];
  try {
    certificates = certificatesIn(bytes);
  } catch (error) {
    return refuse(`${path} holds a certificate that cannot be read: ${(error as Error).message}`, error);
  }
  if (certificates.length === 0) refuse(`${path} holds no certificate in PEM`);
  for (const { subject, validFrom, validTo } of certificates) {
    const name = subject.replaceAll('\n', ', ');
    if (Date.parse(validTo) <= nowMs)
      refuse(`the certificate of ${name} in ${path} has expired on ${validTo}`);
    if (Date.parse(validFrom) > nowMs)
      refuse(`the certificate of ${name} in ${path} is not valid before ${validFrom}; is the clock right?`);
  }
  return certificates;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function certificatesIn(bytes: Buffer): X509Certificate[] {
  return (bytes.toString('latin1').match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
}

function refuse(what: string, cause?: unknown): never {
  throw new AnagateError('INVALID_ARGUMENT', `TLS: ${what}`, { cause });
}
