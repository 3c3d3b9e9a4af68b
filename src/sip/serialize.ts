/** Text to bytes: latin1 both ways, so that every byte of a message survives. */

export function toBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length);
  bytes.write(text, 0, 'latin1');
  return bytes;
}

/**
 * A copy that holds nothing else in memory: a slice of a datagram's text keeps the whole datagram alive
 * (measured elsewhere: 20,000 kept slices of 40 characters pinned 121 MB).
 */
export function detach(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
