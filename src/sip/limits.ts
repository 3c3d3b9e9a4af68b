/** The limits of what is accepted from the network, each with its reason. */

/** A UDP datagram cannot hold more, and no message on a stream may be longer: what came one way can leave the other. */
export const messageBytesMax = 65_535;
/** Header lines of one message. Real ones have 10 to 40; the index of a message grows with them. */
export const headerLinesMax = 256;
/** CSeq must be below 2^31 (RFC 3261 8.1.1.5). */
export const cseqMax = 2_147_483_647;
/** Max-Forwards is 0 to 255 (RFC 3261 20.22). */
export const maxForwardsMax = 255;
