/** Methods as bits, with the values that OpenSIPS writes into the table `location`. */

const bits: Readonly<Record<string, number>> = {
  INVITE: 1,
  CANCEL: 2,
  ACK: 4,
  BYE: 8,
  INFO: 16,
  REGISTER: 32,
  SUBSCRIBE: 64,
  NOTIFY: 128,
  MESSAGE: 256,
  OPTIONS: 512,
  PRACK: 1024,
  UPDATE: 2048,
  REFER: 4096,
  PUBLISH: 8192,
};

/** Methods that have no bit of their own. */
const otherBit = 1 << 14;

export function methodBit(method: string): number {
  return bits[method] ?? otherBit;
}

/** `INVITE, ACK, BYE` → bits; 0 when nothing is named. */
export function methodBits(list: string): number {
  let mask = 0;
  for (const part of list.split(',')) {
    const method = part.trim().toUpperCase();
    if (method !== '') mask |= methodBit(method);
  }
  return mask;
}

/** A UA that did not say what it allows is taken to allow everything. */
export function allows(methods: number, method: string): boolean {
  return methods === 0 || (methods & methodBit(method)) !== 0;
}
