/** Which certificates a gateway shows, and which it believes. */
import { AnagateError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import { type ClientTls, clientTls, inTheClear, readKeyPair, serverCredentials } from '../control/tls.ts';

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
  nowMs: number,
): ClientTls {
  if (grpcAuth !== true) return inTheClear;
  if (clientKey === undefined || clientCert === undefined) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      'The gateways of a group speak with one another: enable_auth = True needs client_key and client_cert in [mtls] too',
    );
  }
  return clientTls({ key: clientKey, cert: clientCert, trusted: rootCaCert ?? serverCert! }, nowMs);
}
