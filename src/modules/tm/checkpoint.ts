/** What another node needs to go on with an INVITE transaction of this one, as plain data and as bytes. */

import type { SavedBranch } from '#proxy/adoption.ts';
import type { Value } from '#script/value.ts';
import type { PlainEdit } from '#sip/edits.ts';
import {
  boolean,
  type Codec,
  decode,
  encode,
  f64,
  latin1,
  list,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
} from '#util/codec.ts';

export interface SavedFlow {
  /** Tag or name of the socket: the adopting node looks for its own of that name. */
  readonly socket: string;
  readonly address: string;
  readonly port: number;
}

export interface SavedTarget extends SavedBranch {
  readonly flow: SavedFlow;
  readonly index: number;
  readonly requestUri: string;
  readonly flags: number;
  readonly replyRoute: string;
  readonly minor: boolean;
  /** Where it goes when that place fails; null without one. */
  readonly spare: SavedSpare | null;
}

export interface SavedSpare {
  readonly places: readonly SavedPlace[];
  /** What the script changed for this branch. */
  readonly edits: readonly PlainEdit[];
}

export interface SavedPlace extends SavedFlow {
  readonly headers: string;
}

export interface SavedRecordRoute {
  readonly user: string;
  readonly parameters: readonly string[];
  readonly preset: string | null;
  readonly secondPreset: string | null;
}

export interface SavedAttribute {
  readonly name: string;
  readonly values: readonly Value[];
}

export interface SavedTransaction {
  readonly request: string;
  readonly source: SavedFlow;
  readonly lastStatus: number;
  /** The last response sent, '' for none. */
  readonly lastResponse: string;
  readonly cancelled: boolean;
  readonly roundStart: number;
  readonly forceRport: boolean;
  readonly toTag: string;
  readonly requestUri: string;
  readonly destinationUri: string | null;
  /** '' = by destination. */
  readonly sendSocket: string;
  readonly edits: readonly PlainEdit[];
  readonly attributes: readonly SavedAttribute[];
  readonly messageFlags: number;
  readonly branchFlags: number;
  readonly recordRoute: SavedRecordRoute | null;
  /** '' without one. */
  readonly dialog: string;
  readonly branchRoute: string;
  readonly replyRoute: string;
  readonly failureRoute: string;
  readonly commonHeaders: string;
  readonly cancelReason: string;
  readonly branchCount: number;
  readonly branches: readonly SavedTarget[];
}

const editsMax = 4096;
const attributesMax = 4096;
const valuesMax = 4096;
const routeParametersMax = 64;
/** `branchesMax` of the proxy layer. */
const branchesMax = 64;

const valueKinds = { nothing: 0, number: 1, string: 2 } as const;

const value: Codec<Value> = {
  size: (one) => 1 + (one === null ? 0 : typeof one === 'number' ? 8 : latin1.size(one)),
  write: (one, bytes, offset) => {
    if (one === null) return u8.write(valueKinds.nothing, bytes, offset);
    if (typeof one === 'number') return f64.write(one, bytes, u8.write(valueKinds.number, bytes, offset));
    return latin1.write(one, bytes, u8.write(valueKinds.string, bytes, offset));
  },
  read: (reader) => {
    const kind = u8.read(reader);
    if (kind === valueKinds.nothing) return null;
    return kind === valueKinds.number ? f64.read(reader) : latin1.read(reader);
  },
};

/** `placesMax` of server location, and a place by another transport for each. */
const placesMax = 32;

const flow = struct<SavedFlow>({ socket: text, address: text, port: u16 });

const edits = list(struct<PlainEdit>({ start: u32, end: u32, text: latin1 }), editsMax);

const spare = struct<SavedSpare>({
  places: list(struct<SavedPlace>({ socket: text, address: text, port: u16, headers: latin1 }), placesMax),
  edits,
});

const codec = struct<SavedTransaction>({
  request: latin1,
  source: flow,
  lastStatus: u16,
  lastResponse: latin1,
  cancelled: boolean,
  roundStart: u16,
  forceRport: boolean,
  toTag: latin1,
  requestUri: latin1,
  destinationUri: optional(latin1),
  sendSocket: text,
  edits,
  attributes: list(struct<SavedAttribute>({ name: latin1, values: list(value, valuesMax) }), attributesMax),
  messageFlags: u32,
  branchFlags: u32,
  recordRoute: optional(
    struct<SavedRecordRoute>({
      user: latin1,
      parameters: list(latin1, routeParametersMax),
      preset: optional(latin1),
      secondPreset: optional(latin1),
    }),
  ),
  dialog: latin1,
  branchRoute: text,
  replyRoute: text,
  failureRoute: text,
  commonHeaders: latin1,
  cancelReason: latin1,
  branchCount: u16,
  branches: list(
    struct<SavedTarget>({
      branch: latin1,
      text: latin1,
      status: u16,
      response: latin1,
      acknowledgement: latin1,
      timedOut: boolean,
      flow,
      index: u16,
      requestUri: latin1,
      flags: u32,
      replyRoute: text,
      minor: boolean,
      spare: optional(spare),
    }),
    branchesMax,
  ),
});

export function encodeTransaction(saved: SavedTransaction): Buffer {
  return encode(codec, saved);
}

/** Null when the bytes are of another version of the program. */
export function decodeTransaction(body: Uint8Array): SavedTransaction | null {
  return decode(codec, Buffer.from(body.buffer, body.byteOffset, body.length));
}
