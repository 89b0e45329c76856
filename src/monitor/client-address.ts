/** Addresses of RADOS clients, as `osd blocklist` takes them: `192.0.2.1:0/4711` or `[2001:db8::1]:0/4711`. */

const ADDRESS = /^(?:\[([0-9a-fA-F:.]{2,45})\]|(\d{1,3}(?:\.\d{1,3}){3})):(\d{1,5})\/(\d{1,10})$/;
const MAX_NONCE = 0xffff_ffff;

/**
 * Whether fencing this address stops one client, and only that one: nonce 0 would fence its whole machine, an address of zeros
 * nobody.
 */
export function isClientAddress(text: string): boolean {
  const match = ADDRESS.exec(text);
  if (match === null) return false;
  const [, ipv6, ipv4, port, nonce] = match;
  if (Number(port) > 0xffff || Number(nonce) === 0 || Number(nonce) > MAX_NONCE) return false;
  return ipv4 === undefined ? isIpv6(ipv6) : isIpv4(ipv4);
}

function isIpv4(text: string): boolean {
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte <= 255) && bytes.some((byte) => byte !== 0);
}

/** As `inet_ntop` writes it. */
function isIpv6(text: string): boolean {
  return text.includes(':') && !text.includes(':::') && /[1-9a-fA-F]/.test(text);
}
