/** Certificates for tests, made with the openssl command in a directory of their own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of a certificate and its key, PEM. */
export interface KeyPair {
  key: string;
  cert: string;
}

export class Certificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'anagate-tls-'));

  /** One that nobody else signed. `names`: as in subjectAltName. */
  selfSigned(name: string, names = 'IP:192.0.2.1', days = 2): KeyPair {
    const pair = this.#pair(name);
    this.#openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      ...this.#out(pair, name),
      '-days',
      String(days),
      '-addext',
      `subjectAltName=${names}`,
    );
    return pair;
  }

  /** One that `authority` signed. */
  signed(name: string, names: string, authority: KeyPair): KeyPair {
    const pair = this.#pair(name);
    const request = this.path(`${name}.csr`);
    const extensions = this.path(`${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${names}\n`);
    this.#openssl('req', ...NEW_KEY, '-keyout', pair.key, '-out', request, '-subj', `/CN=${name}`);
    this.#openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      authority.cert,
      '-CAkey',
      authority.key,
      '-CAcreateserial',
      '-out',
      pair.cert,
      '-days',
      '2',
      '-extfile',
      extensions,
    );
    return pair;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  #pair(name: string): KeyPair {
    return { key: this.path(`${name}.key`), cert: this.path(`${name}.crt`) };
  }

  #out({ key, cert }: KeyPair, name: string): string[] {
    return ['-keyout', key, '-out', cert, '-subj', `/CN=${name}`];
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
