/** Which certificates a gateway shows, and which it believes. */

import type { Clock } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Settings } from '../config/settings.ts';
import {
  type ClientTls,
  inTheClear,
  readKeyPair,
  renewedClientTls,
  serverCredentials,
} from '../control/tls.ts';

/** Of the management port; undefined: in the clear. Throws as {@link serverCredentials}. */
export function grpcCredentials(
  { grpcAuth, serverKey, serverCert, clientCert, rootCaCert }: Settings,
  nowMs: number,
): ReturnType<typeof serverCredentials> | undefined {
  if (grpcAuth !== true) return undefined;
  const trusted = rootCaCert ?? clientCert;
  return serverCredentials({ key: serverKey!, cert: serverCert!, trusted: trusted! }, nowMs);
}

/** Of the metrics page; undefined: in the clear. Throws as {@link readKeyPair}. */
export function metricsKeyPair(
  { metricsTls, metricsEnabled, serverKey, serverCert }: Settings,
  nowMs: number,
): ReturnType<typeof readKeyPair> | undefined {
  if (!metricsTls || !metricsEnabled) return undefined;
  return readKeyPair({ key: serverKey!, cert: serverCert! }, nowMs);
}

/** How this gateway speaks to the management ports of the others. Throws as {@link clientTls}, and when files are not named. */
export function peerTls(
  { grpcAuth, serverCert, clientKey, clientCert, rootCaCert }: Settings,
  clock: Clock,
  log: Log,
): ClientTls {
  if (grpcAuth !== true) return inTheClear;
  if (clientKey === undefined || clientCert === undefined) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      'The gateways of a group speak with one another: enable_auth = True needs client_key and client_cert in [mtls] too',
    );
  }
  return renewedClientTls(
    { key: clientKey, cert: clientCert, trusted: rootCaCert ?? serverCert! },
    clock,
    log,
  );
}

/** Files that this gateway shows or trusts as a server, and reads again when they are replaced. */
export function serverFiles({ serverKey, serverCert, clientCert, rootCaCert }: Settings): string[] {
  return [serverKey, serverCert, rootCaCert ?? clientCert].filter((path) => path !== undefined);
}
